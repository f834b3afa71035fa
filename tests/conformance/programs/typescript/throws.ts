console.log("before");
throw new TypeError("no");
