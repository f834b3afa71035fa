// Holds Node.js at the end of its startup, inside its sandbox, until it receives a job.
//
// Node.js requires this file after its startup and before it loads the program. When this file returns, Node.js runs
// the program. The file is not deleted, because each worker thread requires it again; there it has no effect.
'use strict';

const fs = require('fs');

// HOOK_STATUS_DESCRIPTOR and START_DESCRIPTOR of supervisor/protocol.py, and the descriptor of the job
// (interpreter_pool.py): a file with the number of arguments and the arguments, each terminated by NUL, and the code.
const STATUS = 8, START = 7, JOB = 9;

function hold() {
    fs.writeSync(STATUS, '{"status":"waiting"}\n');
    if (fs.readSync(START, Buffer.alloc(1)) === 0) process.reallyExit(0);
    fs.writeSync(STATUS, '{"status":"ready"}\n');
    const job = fs.readFileSync(JOB);
    let begin = job.indexOf(0) + 1;
    for (let left = Number(job.toString('latin1', 0, begin - 1)); left > 0; left--) {
        const end = job.indexOf(0, begin);
        process.argv.push(job.toString('utf8', begin, end));
        begin = end + 1;
    }
    fs.writeFileSync(process.argv[1], job.subarray(begin));
    for (const descriptor of [STATUS, START, JOB]) fs.closeSync(descriptor);
}

// Remove all traces of this module.
const paths = module.constructor._pathCache;
for (const key of Object.keys(paths)) if (key.startsWith(__filename)) delete paths[key];
delete require.cache[__filename];
Object.defineProperty(process, '_preload_modules', {value: []});
if (process.env.NODE_OPTIONS === `--require=${__filename}`) {
    delete process.env.NODE_OPTIONS;
    try {
        hold();
    } catch (error) { // otherwise Node.js would continue without the job
        fs.writeSync(2, `${error.stack}\n`);
        process.reallyExit(1);
    }
}
