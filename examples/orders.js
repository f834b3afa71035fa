// Adds up orders by customer: node orders.js < orders.json
const orders = JSON.parse(require("fs").readFileSync(0, "utf8"));

const totals = new Map();
for (const { customer, quantity, price } of orders) {
  totals.set(customer, (totals.get(customer) ?? 0) + quantity * price);
}
for (const [customer, total] of [...totals].sort((a, b) => b[1] - a[1])) {
  console.log(`${total.toFixed(2).padStart(9)} ${customer}`);
}
