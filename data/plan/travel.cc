// Plans as values: a Dataset is an argument of tasks and actors.
#include <manta/serialize.h>

#include "data/plan/node.h"

namespace manta::serial {

namespace {

namespace data = manta::data;
namespace plan = manta::data::plan;

constexpr std::size_t kMaxDepth = 1000;

void save_node(Writer& writer, const plan::Node& node) {
  writer(node.label, node.schema, node.origin);
  writer.put_size(node.what.index());
  if (const auto* scan = node.as<plan::FileScan>()) writer(scan->format, scan->files, scan->arguments);
  if (const auto* memory = node.as<plan::Memory>()) writer(memory->blocks);
  if (const auto* generated = node.as<plan::Generated>()) writer(generated->step, generated->blocks);
  if (const auto* relation = node.as<plan::Relation>())
    writer(relation->pieces, relation->per_row, relation->with_position, relation->takes_position);
  if (const auto* transform = node.as<plan::Transform>())
    writer(transform->step, transform->options, transform->actors);
  if (const auto* shuffle = node.as<plan::Shuffle>()) writer(shuffle->seed, shuffle->window_rows);
  writer.put_size(node.inputs.size());
  for (const plan::NodePtr& input : node.inputs) save_node(writer, *input);
}

plan::NodePtr load_node(Reader& reader, std::size_t depth) {
  if (depth > kMaxDepth) reader.fail("a plan of more than " + std::to_string(kMaxDepth) + " operations");
  auto node = std::make_shared<plan::Node>();
  reader(node->label, node->schema, node->origin);
  switch (reader.get_size()) {
    case 0: {
      plan::FileScan scan;
      reader(scan.format, scan.files, scan.arguments);
      node->what = std::move(scan);
      break;
    }
    case 1: {
      plan::Memory memory;
      reader(memory.blocks);
      node->what = std::move(memory);
      break;
    }
    case 2: {
      plan::Generated generated;
      reader(generated.step, generated.blocks);
      node->what = std::move(generated);
      break;
    }
    case 3: {
      plan::Relation relation;
      reader(relation.pieces, relation.per_row, relation.with_position, relation.takes_position);
      node->what = std::move(relation);
      break;
    }
    case 4: {
      plan::Transform transform;
      reader(transform.step, transform.options, transform.actors);
      node->what = std::move(transform);
      break;
    }
    case 5: {
      plan::Shuffle shuffle;
      reader(shuffle.seed, shuffle.window_rows);
      node->what = shuffle;
      break;
    }
    default:
      reader.fail("an operation of a plan of an unknown kind");
  }
  const std::size_t inputs = reader.get_count(4);
  for (std::size_t i = 0; i < inputs; ++i) node->inputs.push_back(load_node(reader, depth + 1));
  const auto* relation = node->as<plan::Relation>();
  if (relation != nullptr && relation->pieces.size() != inputs + 1) reader.fail("a malformed operation of a plan");
  return node;
}

}  // namespace

void Codec<data::Dataset>::save(Writer& writer, const data::Dataset& table) {
  writer(table.options());
  save_node(writer, *table.node());
}

void Codec<data::Dataset>::load(Reader& reader, data::Dataset& table) {
  data::ExecutionOptions options;
  reader(options);
  table = data::Dataset(load_node(reader, 0), std::move(options));
}

}  // namespace manta::serial
