use std::collections::BTreeMap;
use std::io::{self, BufRead};
fn main() {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for line in io::stdin().lock().lines() { for word in line.unwrap().split_whitespace() { *count.entry(word.to_string()).or_default() += 1; } }
    for (word, n) in &count { println!("{word:>8} {n}"); }
    println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>()); std::process::exit(9);
}
