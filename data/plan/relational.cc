// Operations of Dataset that are SQL.
#include <algorithm>
#include <cmath>

#include <manta/error.h>

#include "data/engine/engine.h"
#include "data/plan/node.h"

namespace manta::data {

namespace {

using plan::NodePtr;
using plan::relate;
using plan::Relation;

[[noreturn]] void refuse(std::string message) { throw Error(ErrorCode::invalid_argument, std::move(message)); }

std::string list_of(const std::vector<std::string>& columns) {
  std::string list;
  for (const std::string& column : columns) list += (list.empty() ? "" : ", ") + quoted_name(column);
  return list;
}

// "SELECT * of the input's columns FROM (input with a column manta_hash) tail": the hash depends on the row's position
// and the seed only, and is uniform in [0, 2^64). Of files the position is that in the file, which several threads
// know at once.
Relation by_position(const NodePtr& input, std::uint64_t seed, const std::string& tail) {
  std::string columns;
  for (const Field& field : input->schema.fields()) columns += (columns.empty() ? "" : ", ") + quoted_name(field.name);
  const auto* scan = input->as<plan::FileScan>();
  for (const plan::Node* node = input.get(); scan == nullptr && !node->inputs.empty();) {
    node = node->inputs.front().get();
    scan = node->as<plan::FileScan>();
  }
  const bool files = plan::is_scan(input) && scan->format == plan::Format::parquet;
  const std::string position = files ? "manta_row, manta_file, " : "row_number() OVER (), ";
  const std::string hash = "hash(" + position + std::to_string(seed) + "::UBIGINT)";
  Relation relation{{"SELECT " + columns + " FROM (SELECT *, " + hash + " AS manta_hash FROM ", " AS t) AS u" + tail}};
  relation.takes_position = files;
  return relation;
}

// The condition "hash < fraction of 2^64", for a column of hashes.
std::string below(double fraction, const char* label) {
  if (!(fraction >= 0 && fraction <= 1)) {
    refuse(std::string("data: ") + label + ": the fraction must be from 0 to 1, not " + std::to_string(fraction));
  }
  if (fraction >= 1) return "TRUE";
  return "manta_hash < " + std::to_string(static_cast<std::uint64_t>(std::ldexp(fraction, 64))) + "::UBIGINT";
}

// Every type whose values all are values of the other one, but for the precision of floating point.
bool widens(const Type& from, const Type& to) {
  if (from == to) return true;
  const auto bits = [](Kind kind) { return 8 * static_cast<int>(width_bytes(kind)); };
  const auto is_signed = [](Kind kind) { return kind <= Kind::int64; };
  if (is_integer(from.kind) && is_integer(to.kind)) {
    if (is_signed(from.kind) == is_signed(to.kind)) return bits(from.kind) <= bits(to.kind);
    return is_signed(to.kind) && bits(from.kind) < bits(to.kind);
  }
  if (is_number(from.kind) && (to.kind == Kind::float32 || to.kind == Kind::float64)) return true;
  if (from.kind == Kind::date && to.kind == Kind::timestamp) return true;
  const bool lists = from.kind == Kind::list || from.kind == Kind::array;
  if (lists && (to.kind == Kind::list || (to.kind == from.kind && to.array_size == from.array_size))) {
    return widens(from.children[0].type, to.children[0].type);
  }
  if (from.kind != Kind::record || to.kind != Kind::record || from.children.size() != to.children.size()) return false;
  for (std::size_t i = 0; i < from.children.size(); ++i) {
    const Field &a = from.children[i], &b = to.children[i];
    if (a.name != b.name || !widens(a.type, b.type)) return false;
  }
  return true;
}

}  // namespace

Dataset Dataset::filter(const Expression& condition) const {
  plan::check_columns("filter", *node_, condition.columns());
  return Dataset(relate("filter", {node_}, {{"SELECT * FROM ", " AS t WHERE " + condition.sql()}, true}), options_);
}

Dataset Dataset::limit(std::int64_t rows, std::int64_t offset) const {
  if (rows < 0 || offset < 0) {
    refuse("data: limit: rows and offset must be at least 0, not " + std::to_string(rows) + " and " +
           std::to_string(offset));
  }
  std::string tail = " AS t LIMIT " + std::to_string(rows);
  if (offset > 0) tail += " OFFSET " + std::to_string(offset);
  return Dataset(relate("limit", {node_}, {{"SELECT * FROM ", std::move(tail)}}), options_);
}

Dataset Dataset::sample(double fraction, std::uint64_t seed) const {
  return Dataset(relate("sample", {node_}, by_position(node_, seed, " WHERE " + below(fraction, "sample"))), options_);
}

Dataset Dataset::random_shuffle(std::uint64_t seed) const {
  return Dataset(relate("random_shuffle", {node_}, by_position(node_, seed, " ORDER BY manta_hash")), options_);
}

std::pair<Dataset, Dataset> Dataset::split(double fraction, std::uint64_t seed) const {
  const std::string condition = below(fraction, "split");
  const auto part = [&](const std::string& where) {
    return Dataset(relate("split", {node_}, by_position(node_, seed, " WHERE " + where)), options_);
  };
  return {part(condition), part("NOT (" + condition + ")")};
}

Dataset Dataset::sort(const std::vector<SortKey>& keys) const {
  if (keys.empty()) refuse("data: sort: no column was given");
  std::string order;
  for (const SortKey& key : keys) {
    plan::check_columns("sort", *node_, {key.column});
    order += (order.empty() ? "" : ", ") + quoted_name(key.column);
    order += key.order == Order::descending ? " DESC NULLS LAST" : " ASC NULLS LAST";
  }
  return Dataset(relate("sort", {node_}, {{"SELECT * FROM ", " AS t ORDER BY " + order}}), options_);
}

Dataset Dataset::unique(const Columns& columns) const {
  plan::check_columns("unique", *node_, columns.names);
  const std::string on = columns.names.empty() ? "DISTINCT" : "DISTINCT ON (" + list_of(columns.names) + ")";
  return Dataset(relate("unique", {node_}, {{"SELECT " + on + " * FROM ", " AS t"}}), options_);
}

Dataset Dataset::select(const Columns& columns) const {
  if (columns.names.empty()) refuse("data: select: no column was given");
  plan::check_columns("select", *node_, columns.names);
  return Dataset(relate("select", {node_}, plan::projection(list_of(columns.names))), options_);
}

Dataset Dataset::drop(const Columns& columns) const {
  plan::check_columns("drop", *node_, columns.names);
  std::vector<std::string> kept;
  for (const Field& field : schema().fields()) {
    if (std::find(columns.names.begin(), columns.names.end(), field.name) == columns.names.end())
      kept.push_back(field.name);
  }
  if (kept.empty()) refuse(plan::place("drop", *node_) + ": no column would be left");
  return Dataset(relate("drop", {node_}, plan::projection(list_of(kept))), options_);
}

Dataset Dataset::rename(const std::vector<std::pair<std::string, std::string>>& names) const {
  std::string list;
  for (const auto& [from, to] : names) plan::check_columns("rename", *node_, {from});
  for (const Field& field : schema().fields()) {
    const auto renamed =
        std::find_if(names.begin(), names.end(), [&](const auto& pair) { return pair.first == field.name; });
    list += (list.empty() ? "" : ", ") + quoted_name(field.name);
    if (renamed != names.end()) list += " AS " + quoted_name(renamed->second);
  }
  return Dataset(relate("rename", {node_}, plan::projection(list)), options_);
}

Dataset Dataset::with_column(const std::string& name, const Expression& value) const {
  plan::check_columns("with_column", *node_, value.columns());
  const std::string as = value.sql() + " AS " + quoted_name(name);
  std::string list;
  for (const Field& field : schema().fields()) {
    list += (list.empty() ? "" : ", ") + (field.name == name ? as : quoted_name(field.name));
  }
  if (!schema().find(name)) list += (list.empty() ? "" : ", ") + as;
  return Dataset(relate("with_column", {node_}, plan::projection(list)), options_);
}

Grouped Dataset::group_by(const Columns& columns) const {
  plan::check_columns("group_by", *node_, columns.names);
  if (columns.names.empty()) refuse("data: group_by: no column was given; aggregate() alone is over all rows");
  return Grouped(*this, columns.names);
}

Dataset detail::aggregate(const Dataset& table, const std::vector<std::string>& keys,
                          const std::vector<Aggregate>& results) {
  std::string list = list_of(keys);
  for (const Aggregate& result : results) {
    plan::check_columns("aggregate", *table.node(), result.value.columns());
    list += (list.empty() ? "" : ", ") + result.value.sql() + " AS " + quoted_name(result.name);
  }
  const std::string groups = keys.empty() ? "" : " GROUP BY " + list_of(keys);
  return Dataset(relate("aggregate", {table.node()}, {{"SELECT " + list + " FROM ", " AS t" + groups}}),
                 table.options());
}

Dataset Dataset::join(const Dataset& other, const Columns& columns, JoinKind kind) const {
  const std::vector<std::string>& on = columns.names;
  if (on.empty()) refuse("data: join: no column was given");
  plan::check_columns("join", *node_, on);
  plan::check_columns("join", *other.node_, on);
  const bool both = kind != JoinKind::semi && kind != JoinKind::anti;
  for (const Field& field : other.schema().fields()) {
    if (both && schema().find(field.name) && std::find(on.begin(), on.end(), field.name) == on.end()) {
      refuse("data: join of " + node_->origin + " and " + other.node_->origin + ": both have a column \"" + field.name +
             "\" that is not joined on; rename or drop it on one side");
    }
  }
  static constexpr const char* kWords[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"};
  return Dataset(relate("join", {node_, other.node_},
                        {{"SELECT * FROM ", std::string(" AS a ") + kWords[static_cast<int>(kind)] + " ",
                          " AS b USING (" + list_of(on) + ")"}}),
                 options_);
}

Dataset Dataset::concat(const Dataset& other) const {
  for (const Field& field : schema().fields()) plan::check_columns("concat", *other.node_, {field.name});
  for (const Field& field : other.schema().fields()) {
    plan::check_columns("concat", *node_, {field.name});
    const Type& here = schema()[*schema().find(field.name)].type;
    if (!widens(here, field.type) && !widens(field.type, here)) {
      refuse("data: concat of " + node_->origin + " and " + other.node_->origin + ": column \"" + field.name +
             "\" is " + data::to_string(here) + " here and " + data::to_string(field.type) +
             " there; cast one of them");
    }
  }
  return Dataset(relate("concat", {node_, other.node_}, {{"SELECT * FROM ", " UNION ALL BY NAME SELECT * FROM ", ""}}),
                 options_);
}

Dataset Dataset::zip(const Dataset& other) const {
  for (const Field& field : other.schema().fields()) {
    if (schema().find(field.name)) {
      refuse("data: zip of " + node_->origin + " and " + other.node_->origin + ": both have a column \"" + field.name +
             "\"; rename or drop it on one side");
    }
  }
  const std::string columns = list_of([&] {
    std::vector<std::string> names;
    for (const Dataset* side : {this, &other}) {
      for (const Field& field : side->schema().fields()) names.push_back(field.name);
    }
    return names;
  }());
  // A row that only one side has ends the query.
  const std::string check =
      "CASE WHEN a.manta_a IS NULL OR b.manta_b IS NULL THEN "
      "error('zip: the tables have different numbers of rows') ELSE TRUE END";
  return Dataset(
      relate("zip", {node_, other.node_},
             {{"SELECT " + columns + " FROM (SELECT *, TRUE AS manta_a FROM ",
               " AS l) AS a POSITIONAL JOIN (SELECT *, TRUE AS manta_b FROM ", " AS r) AS b WHERE " + check}}),
      options_);
}

Dataset Dataset::describe() const {
  std::string rows;
  for (const Field& field : schema().fields()) {
    const std::string column = quoted_name(field.name), number = "CAST(" + column + " AS DOUBLE)";
    const std::string finite = " FILTER (WHERE isfinite(" + number + "))";
    const bool of_numbers = is_number(field.type.kind);
    const auto numeric = [&](const std::string& function) {
      return of_numbers ? function + finite : std::string("CAST(NULL AS DOUBLE)");
    };
    rows +=
        (rows.empty() ? "" : ", ") +
        ("{'column': " + engine::sql_text(field.name) + ", 'type': " + engine::sql_text(data::to_string(field.type)) +
         ", 'count': count(" + column + "), 'nulls': count(*) - count(" + column +
         "), 'about_distinct': approx_count_distinct(" + column + "), 'mean': " + numeric("avg(" + number + ")") +
         ", 'stddev': " + numeric("stddev(" + number + ")") + ", 'min': CAST(min(" + column + ") AS VARCHAR)");
    for (const char* percent : {"25", "50", "75"}) {
      const std::string q = std::string("0.") + percent;
      rows += ", 'q" + std::string(percent) + "': " + numeric("quantile_cont(" + number + ", " + q + ")");
    }
    rows += ", 'max': CAST(max(" + column + ") AS VARCHAR)}";
  }
  return Dataset(relate("describe", {node_}, {{"SELECT unnest([" + rows + "], recursive := true) FROM ", " AS t"}}),
                 options_);
}

Dataset detail::narrowed(const Dataset& table, const Schema& to, std::string_view row) {
  const plan::Node& node = *table.node();
  if (to == table.schema()) return table;
  std::string list;
  for (const Field& field : to.fields()) {
    const Type& is = table.schema()[table.schema().at(field.name, plan::place("as " + std::string(row), node))].type;
    if (!widens(is, field.type)) {
      refuse(plan::place("as " + std::string(row), node) + ": column \"" + field.name + "\" is " + data::to_string(is) +
             ", but the field of that name is for " + data::to_string(field.type) +
             ", which cannot hold all its values; change the field's type, or cast the column: with_column(\"" +
             field.name + "\", col(\"" + field.name + "\").cast(...))");
    }
    list += list.empty() ? "" : ", ";
    list += is == field.type ? quoted_name(field.name)
                             : "CAST(" + quoted_name(field.name) + " AS " + data::to_string(field.type) + ") AS " +
                                   quoted_name(field.name);
  }
  return Dataset(relate("as " + std::string(row), {table.node()}, plan::projection(list)), table.options());
}

Dataset sql(const std::string& query, const std::vector<std::pair<std::string, Dataset>>& tables) {
  Relation relation;
  std::vector<NodePtr> inputs;
  std::string before = "WITH ";
  for (const auto& [name, table] : tables) {
    relation.pieces.push_back(before + quoted_name(name) + " AS ");
    inputs.push_back(table.node());
    before = ", ";
  }
  relation.pieces.push_back((tables.empty() ? "" : " ") + ("SELECT * FROM (" + query + "\n) AS q"));
  return Dataset(relate("sql", std::move(inputs), std::move(relation)),
                 tables.empty() ? ExecutionOptions{} : tables.front().second.options());
}

}  // namespace manta::data
