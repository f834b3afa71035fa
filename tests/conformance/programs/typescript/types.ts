enum Color { Red = 1, Green }
interface Shape { readonly kind: "circle" | "square"; size: number }
function area<T extends Shape>(shape: T): number { return shape.kind === "circle" ? Math.PI * shape.size ** 2 : shape.size ** 2; }
abstract class Base { constructor(protected name: string) {} abstract say(): string; }
class Derived extends Base { say() { return `${this.name} ${Color[2]}`; } }
console.log(area({ kind: "square", size: 3 }), new Derived("x").say(), ({ a: 1 } as const).a satisfies number);
