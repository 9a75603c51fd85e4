// Tables and plans as text.
#include <algorithm>
#include <iostream>

#include <manta/data/dataset.h>

#include "data/engine/engine.h"
#include "data/plan/node.h"

namespace manta::data {

namespace {

constexpr std::size_t kWidest = 40;

// Characters, not bytes, of UTF-8.
std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string shortened(std::string_view text) {
  std::string line;
  std::size_t count = 0;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80 && ++count > kWidest) return line + "…";
    line += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  }
  return line;
}

void add_tree(const plan::Node& node, const std::string& indent, std::string& text) {
  text += indent + node.label;
  if (node.as<plan::FileScan>() != nullptr) {
    text += " " + node.origin + ": " + std::to_string(node.as<plan::FileScan>()->files.size()) + " files, " +
            std::to_string(node.schema.size()) + " columns";
  } else if (const auto* transform = node.as<plan::Transform>()) {
    text += transform->actors ? " (in actors, " + std::to_string(transform->options.min_actors) + " to " +
                                    std::to_string(transform->options.max_actors) + ")"
                              : std::string(" (in tasks)");
  }
  text += "\n";
  for (const plan::NodePtr& input : node.inputs) add_tree(*input, indent + "  ", text);
}

// The relational parts at the top of the plan: what the engine does in one query.
void add_queries(const plan::NodePtr& node, std::string& text) {
  const bool relational = node->as<plan::Relation>() != nullptr || node->as<plan::FileScan>() != nullptr;
  std::vector<plan::Leaf> leaves;
  if (relational) {
    std::string sql = plan::render(node, leaves);
    for (const plan::Leaf& leaf : leaves) {  // for the engine a table without rows stands for it
      const std::string name = "(SELECT * FROM manta_blocks('" + leaf.name + "'))";
      sql.replace(sql.find(name), name.size(), plan::empty_table(leaf.node->schema));
    }
    const Block plan = [&] {
      engine::Query query = engine::Engine::get().query("EXPLAIN SELECT * FROM " + sql + " AS t");
      return query.next(100).value_or(Block(query.schema()));
    }();
    text += "\nThe engine runs \"" + node->label + "\" and what is below it as:\n";
    for (std::int64_t row = 0; row < plan.rows(); ++row) text += std::string(plan.column(1).text(row)) + "\n";
    for (const plan::Leaf& leaf : leaves) add_queries(leaf.node, text);
  } else {
    for (const plan::NodePtr& input : node->inputs) add_queries(input, text);
  }
}

}  // namespace

std::string Dataset::to_string(std::int64_t rows) const {
  const Dataset first = limit(rows + 1);
  std::string casts;
  for (const Field& field : schema().fields()) {
    casts += (casts.empty() ? "" : ", ") + ("CAST(" + quoted_name(field.name) + " AS VARCHAR) AS ") +
             quoted_name(field.name);
  }
  const Block texts = Dataset(plan::relate("show", {first.node()}, plan::projection(casts)), options_).block();
  const std::int64_t shown = std::min(rows, texts.rows());
  std::vector<std::vector<std::string>> columns;
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  for (std::size_t i = 0; i < schema().size(); ++i) {
    std::vector<std::string>& column = columns.emplace_back();
    column.push_back(shortened(schema()[i].name));
    column.push_back(shortened(data::to_string(schema()[i].type)));
    for (std::int64_t row = 0; row < shown; ++row) {
      column.push_back(texts.column(i).is_null(row) ? "null" : shortened(texts.column(i).text(row)));
    }
    std::size_t width = 0;
    for (const std::string& cell : column) width = std::max(width, length(cell));
    widths.push_back(width);
    right.push_back(is_number(schema()[i].type.kind));
  }
  std::string text;
  for (std::size_t line = 0; !columns.empty() && line < columns.front().size(); ++line) {
    std::string row;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string& cell = columns[i][line];
      const std::string space(widths[i] - length(cell), ' ');
      row += (i == 0 ? "" : "  ") + (right[i] ? space + cell : cell + space);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
    if (line != 1) continue;
    std::string rule;
    for (const std::size_t width : widths) rule += (rule.empty() ? "" : "  ") + std::string(width, '-');
    text += rule + "\n";
  }
  text += texts.rows() > rows ? "(the first " + std::to_string(shown) + " rows)\n"
                              : "(" + std::to_string(shown) + " rows)\n";
  return text;
}

void Dataset::show(std::int64_t rows) const { std::cout << to_string(rows) << std::flush; }

std::string Dataset::explain() const {
  std::string text;
  add_tree(*node_, "", text);
  add_queries(node_, text);
  return text;
}

}  // namespace manta::data
