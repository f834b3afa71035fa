import { setTimeout as wait } from "node:timers/promises";
console.log(await Promise.all([wait(5, "a"), wait(1, "b")]));
export {};
