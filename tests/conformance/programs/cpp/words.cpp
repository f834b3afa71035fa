#include <algorithm>
#include <iostream>
#include <map>
#include <string>
int main(int argc, char **argv) { std::map<std::string, int> n; std::string w; while (std::cin >> w) n[w]++; for (auto &[k, v] : n) std::cout << k << ' ' << v << '\n'; for (int i = 1; i < argc; i++) std::cout << argv[i] << std::endl; }
