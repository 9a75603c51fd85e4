#include "houses.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

Houses read_houses(const std::filesystem::path& csv) {
  const auto refuse = [&](const std::string& what) {
    throw std::runtime_error(csv.string() + ": " + what +
                             ". Next: run cmake/deps.sh housing, which makes .deps/housing/housing.csv");
  };
  std::ifstream file(csv);
  std::string line;
  if (!std::getline(file, line)) refuse("cannot be read");
  std::vector<std::string> lines;
  while (std::getline(file, line)) lines.push_back(line);
  if (lines.empty()) refuse("has no houses");
  std::shuffle(lines.begin(), lines.end(), std::mt19937(1));

  const auto table = std::make_shared<std::vector<float>>();
  for (const std::string& row : lines) {
    std::istringstream cells(row);
    for (std::string cell; std::getline(cells, cell, ',');) table->push_back(std::stof(cell));
    if (table->size() % Houses::kColumns != 0) refuse("has a line that has not nine numbers: " + row);
  }
  return Houses({reinterpret_cast<const std::byte*>(table->data()), table->size() * sizeof(float), table});
}
