#include <atomic>
#include <future>
#include <iostream>
#include <thread>
#include <vector>
int main() { std::atomic<int> n = 0; std::vector<std::jthread> t; for (int i = 0; i < 4; i++) t.emplace_back([&] { for (int k = 0; k < 500; k++) n++; }); t.clear(); std::cout << n << " " << std::async([] { return 6 * 7; }).get() << "\n"; std::exit(3); }
