const cluster = require("cluster");
if (cluster.isPrimary) {
  const worker = cluster.fork();
  worker.on("message", message => { console.log("from the worker:", message); worker.kill(); });
  worker.on("exit", (code, signal) => console.log("ended", code, signal));
} else {
  process.send({ isWorker: cluster.isWorker });
}
