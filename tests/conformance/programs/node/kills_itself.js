console.log("now"); process.kill(process.pid, "SIGKILL"); setTimeout(() => {}, 9000);
