// Operations of Dataset that run the user's code, and the shuffle for training.
#include <manta/error.h>

#include "data/plan/node.h"

namespace manta::data {

Dataset::Dataset(std::shared_ptr<const plan::Node> node, ExecutionOptions options)
    : node_(std::move(node)), options_(std::move(options)) {}

const Schema& Dataset::schema() const { return node_->schema; }

Dataset detail::with_step(const Dataset& table, Step step, Schema schema, const StepOptions& options, bool actors) {
  if (actors && (options.min_actors < 1 || options.max_actors < options.min_actors)) {
    throw Error(ErrorCode::invalid_argument,
                "data: step " + step.name + ": min_actors must be at least 1 and at most " + "max_actors, not " +
                    std::to_string(options.min_actors) + " and " + std::to_string(options.max_actors));
  }
  auto node = std::make_shared<plan::Node>();
  node->label = step.name;
  node->schema = std::move(schema);
  node->inputs = {table.node()};
  node->origin = table.node()->origin;
  node->what = plan::Transform{std::move(step), options, actors};
  return Dataset(std::move(node), table.options());
}

Schema detail::schema_after(const Dataset& table, const Step& step) {
  try {
    return make_kernel(step)->run(Block(table.schema()), nullptr).schema();
  } catch (...) {
    throw Error(
        ErrorCode::invalid_argument,
        plan::place("map_batches " + step.name, *table.node()) +
            ": the function was called with a block of no rows, to learn the columns of its result, and threw " +
            detail::current_message());
  }
}

Dataset detail::with_column_step(const Dataset& table, Step step, const std::vector<std::string>& names,
                                 const std::vector<Type>& takes, const Type& gives, const StepOptions& options) {
  const std::string label = "with_column " + step.name;
  if (names.size() != takes.size() + 1) {
    throw Error(ErrorCode::invalid_argument, plan::place(label, *table.node()) + ": the function takes " +
                                                 std::to_string(takes.size()) + " values, but " +
                                                 std::to_string(names.size() - 1) + " columns were given");
  }
  for (std::size_t i = 0; i < takes.size(); ++i) {
    const Field& field = table.schema()[table.schema().at(names[i + 1], plan::place(label, *table.node()))];
    if (field.type == takes[i]) continue;
    throw Error(ErrorCode::invalid_argument, plan::place(label, *table.node()) + ": column \"" + field.name + "\" is " +
                                                 data::to_string(field.type) + ", but parameter " +
                                                 std::to_string(i + 1) + " of the function takes " +
                                                 data::to_string(takes[i]) +
                                                 "; change the parameter's type, or cast the column first");
  }
  std::vector<Field> fields = table.schema().fields();
  const std::optional<std::size_t> position = table.schema().find(names[0]);
  if (position) {
    fields[*position].type = gives;
  } else {
    fields.push_back({names[0], gives});
  }
  return with_step(table, std::move(step), Schema(std::move(fields)), options, false);
}

Dataset Dataset::shuffle(const ShuffleOptions& options) const {
  if (options.window_rows < 1) {
    throw Error(ErrorCode::invalid_argument,
                "data: shuffle: window_rows must be at least 1, not " + std::to_string(options.window_rows));
  }
  auto node = std::make_shared<plan::Node>();
  node->label = "shuffle";
  node->schema = schema();
  node->inputs = {node_};
  node->origin = node_->origin;
  node->what = plan::Shuffle{options.seed, options.window_rows};
  return Dataset(std::move(node), options_);
}

}  // namespace manta::data
