process.on("exit", code => console.log("leaving with", code)); console.log("before"); process.exitCode = 4;
