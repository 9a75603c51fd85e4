#include <iostream>

#include <manta/data.h>
#include <manta/manta.h>

namespace data = manta::data;

struct Sale {
  std::string shop;
  int amount;
};
Sale tripled(const Sale& sale) { return {sale.shop, 3 * sale.amount}; }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  const auto sales = data::from_rows(std::vector<Sale>{{"a", 1}, {"b", 2}, {"a", 2}}).map<tripled>();
  const data::Block sums = sales.group_by("shop").aggregate(data::sum("amount")).sort("shop").block();
  const auto totals = sums["sum(amount)"].values<std::int64_t>();
  std::cout << "consumer: " << sums["shop"].text(0) << " " << totals[0] << ", " << sums["shop"].text(1) << " "
            << totals[1] << std::endl;
}
