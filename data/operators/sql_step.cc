#include "data/operators/sql_step.h"

#include <limits>
#include <optional>
#include <tuple>

#include "data/engine/engine.h"

namespace manta::data::operators {

namespace {

class SqlKernel final : public detail::Kernel {
 public:
  using State = std::tuple<std::string, std::string, Schema>;  // SQL, the table's name in it, the result's columns
  explicit SqlKernel(State state) : state_(std::move(state)) {}
  static std::string_view name() { return "sql"; }

  Block run(const Block& input, detail::BadRows*) override {
    const auto& [sql, table, to] = state_;
    bool given = false;
    engine::Input block{table, input.schema(), [&]() -> std::optional<Block> {
                          if (std::exchange(given, true)) return std::nullopt;
                          return input;
                        }};
    std::vector<engine::Input> inputs;
    inputs.push_back(std::move(block));
    engine::Query query = engine::Engine::get().query(sql, std::move(inputs), &to);
    return query.next(std::numeric_limits<std::int64_t>::max()).value_or(Block(to));
  }

 private:
  State state_;
};

struct ThisFile {};

}  // namespace

detail::Step sql_step(std::string sql, std::string table, const Schema& to) {
  return detail::step_of<SqlKernel, ThisFile>({std::move(sql), std::move(table), to});
}

}  // namespace manta::data::operators
