#include <iostream>
#include <stdexcept>
#include <vector>
int main() { std::cout << "before" << std::endl; try { std::vector<int>{}.at(1); } catch (const std::out_of_range &) { std::cout << "caught" << std::endl; } throw std::runtime_error("no"); }
