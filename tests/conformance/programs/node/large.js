for (let n = 0; n < 30000; n++) console.log(n, "x".repeat(n % 50));
