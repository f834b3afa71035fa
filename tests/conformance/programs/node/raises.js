console.log("before"); null.x;
