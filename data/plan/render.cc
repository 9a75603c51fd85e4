#include <atomic>

#include <manta/error.h>

#include "data/engine/engine.h"
#include "data/plan/node.h"

namespace manta::data::plan {

namespace {

std::string next_name() {
  static std::atomic<std::uint64_t> count{0};
  return "manta_" + std::to_string(count.fetch_add(1));
}

std::string column_list(const Schema& schema) {
  std::string list;
  for (const Field& field : schema.fields()) list += (list.empty() ? "" : ", ") + quoted_name(field.name);
  return list;
}

std::string render_scan(const Node& node, const FileScan& scan, const Part* part) {
  const std::vector<std::string>& files = part != nullptr && !part->files.empty() ? part->files : scan.files;
  std::string list;
  for (const std::string& file : files) list += (list.empty() ? "" : ", ") + engine::sql_text(file);
  std::string arguments = scan.arguments, columns = column_list(node.schema), where;
  const bool parquet = scan.format == Format::parquet;
  const bool rows = part != nullptr && part->to_row >= 0;
  const bool position = part != nullptr && part->with_position;
  if (parquet && (rows || position)) arguments += ", file_row_number=true";
  if (position) {
    arguments += ", filename=true";
    columns += ", filename AS manta_file, ";
    columns += parquet ? "file_row_number AS manta_row" : "CAST(NULL AS BIGINT) AS manta_row";
  }
  if (rows) {
    where = " WHERE file_row_number >= " + std::to_string(part->from_row) + " AND file_row_number < " +
            std::to_string(part->to_row);
  }
  const char* function = parquet ? "read_parquet" : scan.format == Format::csv ? "read_csv" : "read_json";
  return "(SELECT " + columns + " FROM " + function + "([" + list + "]" + arguments + ")" + where + ")";
}

}  // namespace

std::string empty_table(const Schema& schema) {
  std::string list;
  for (const Field& field : schema.fields()) {
    list += (list.empty() ? "" : ", ") + ("CAST(NULL AS " + to_string(field.type) + ") AS ") + quoted_name(field.name);
  }
  return "(SELECT " + list + " WHERE FALSE)";
}

std::string render(const NodePtr& node, std::vector<Leaf>& leaves, const Part* part) {
  if (const auto* scan = node->as<FileScan>()) return render_scan(*node, *scan, part);
  if (const auto* relation = node->as<Relation>()) {
    const bool position = part != nullptr && part->with_position && !relation->with_position.empty();
    const std::vector<std::string>& pieces = position ? relation->with_position : relation->pieces;
    std::string sql = "(" + pieces.front();
    Part with_position = part != nullptr ? *part : Part();
    with_position.with_position = true;
    const Part* below = relation->takes_position ? &with_position : part;
    for (std::size_t i = 0; i < node->inputs.size(); ++i) sql += render(node->inputs[i], leaves, below) + pieces[i + 1];
    return sql + ")";
  }
  leaves.push_back({next_name(), node});
  return "(SELECT * FROM manta_blocks('" + leaves.back().name + "'))";
}

std::string place(std::string_view label, const Node& input) {
  return "data: " + std::string(label) + " of " + input.origin;
}

void check_columns(std::string_view label, const Node& input, const std::vector<std::string>& columns) {
  for (const std::string& column : columns) (void)input.schema.at(column, place(label, input));
}

Relation projection(const std::string& list) {
  return {{"SELECT " + list + " FROM ", " AS t"}, true, {"SELECT " + list + ", manta_file, manta_row FROM ", " AS t"}};
}

bool is_scan(const NodePtr& node) {
  if (node->as<FileScan>() != nullptr) return true;
  const auto* relation = node->as<Relation>();
  return relation != nullptr && relation->per_row && node->inputs.size() == 1 && is_scan(node->inputs.front());
}

NodePtr relate(std::string label, std::vector<NodePtr> inputs, Relation relation) {
  auto node = std::make_shared<Node>();
  std::string sql = relation.pieces.front();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Schema schema = inputs[i]->schema;
    if (relation.takes_position) {
      std::vector<Field> fields = schema.fields();
      fields.push_back({"manta_file", Kind::text});
      fields.push_back({"manta_row", Kind::int64});
      schema = Schema(std::move(fields));
    }
    sql += empty_table(schema) + relation.pieces[i + 1];
    if (node->origin.find(inputs[i]->origin) == std::string::npos) {
      node->origin += (node->origin.empty() ? "" : ", ") + inputs[i]->origin;
    }
  }
  if (inputs.empty()) node->origin = label;
  try {
    node->schema = engine::Engine::get().describe(sql);
  } catch (const Error& error) {
    std::string what = error.what();
    if (what.rfind("data: ", 0) == 0) what.erase(0, 6);
    std::string message = "data: " + label + " of " + node->origin + ": " + what;
    for (const NodePtr& input : inputs)
      message += "\nThe columns of " + input->origin + ":\n" + input->schema.to_string();
    if (message.back() == '\n') message.pop_back();
    throw Error(error.code(), std::move(message));
  }
  node->label = std::move(label);
  node->inputs = std::move(inputs);
  node->what = std::move(relation);
  return node;
}

}  // namespace manta::data::plan
