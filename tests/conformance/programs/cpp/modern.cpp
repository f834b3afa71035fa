#include <chrono>
#include <concepts>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <ranges>
#include <sstream>
#include <variant>
template <std::integral T> T twice(T n) { return 2 * n; }
int main() {
    std::ofstream("a.txt") << "one\ntwo\n"; std::ifstream f("a.txt"); std::string line; while (std::getline(f, line)) std::cout << line.size() << ' ';
    std::cout << std::filesystem::file_size("a.txt") << ' ' << twice(21) << ' ' << std::setprecision(3) << std::fixed << 3.14159 << '\n';
    for (int n : std::views::iota(1, 6) | std::views::filter([](int n) { return n % 2; })) std::cout << n << ' '; auto p = std::make_unique<std::variant<int, std::string>>("v"); std::cout << p->index() << std::optional<int>().value_or(7) << std::endl;
}
