import * as fs from "fs";
const count = new Map<string, number>();
for (const word of fs.readFileSync(0, "utf8").split(/\s+/).filter(Boolean)) count.set(word, (count.get(word) ?? 0) + 1);
console.log([...count].sort(), process.argv.slice(2));
process.exitCode = 3;
