#include "data/executor/partition.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "data/engine/engine.h"

namespace manta::data::executor {

namespace {

const plan::Node& source(const plan::NodePtr& node) {
  return node->as<plan::Relation>() != nullptr ? source(node->inputs.front()) : *node;
}

Scan scan_of(const plan::NodePtr& node, plan::Part part, std::int64_t rows) {
  std::vector<plan::Leaf> none;
  Scan scan;
  scan.rows = rows;
  scan.schema = node->schema;
  scan.sql = plan::render(node, none, &part);
  scan.place = part.files.front();
  if (part.files.size() > 1) scan.place += " to " + part.files.back();
  if (part.to_row >= 0) {
    scan.place += ", rows " + std::to_string(part.from_row) + " to " + std::to_string(part.to_row - 1);
  }
  part.with_position = true;
  scan.sql_with_position = plan::render(node, none, &part);
  return scan;
}

// Rows of each row group of each file, in order.
std::map<std::string, std::vector<std::int64_t>> row_groups(const std::vector<std::string>& files) {
  std::string list;
  for (const std::string& file : files) list += (list.empty() ? "" : ", ") + engine::sql_text(file);
  std::map<std::string, std::vector<std::int64_t>> groups;
  engine::Query query = engine::Engine::get().query(
      "SELECT CAST(file_name AS VARCHAR) AS file, row_group_id AS id, max(row_group_num_rows) AS n FROM "
      "parquet_metadata([" +
      list + "]) GROUP BY 1, 2 ORDER BY 1, 2");
  while (const std::optional<Block> block = query.next(65'536)) {
    const Column& names = (*block)["file"];
    const auto counts = (*block)["n"].values<std::int64_t>();
    for (std::int64_t row = 0; row < block->rows(); ++row) {
      groups[std::string(names.text(row))].push_back(counts[static_cast<std::size_t>(row)]);
    }
  }
  return groups;
}

}  // namespace

std::int64_t row_bytes(const Schema& schema) {
  const auto bytes_of = [](const auto& self, const Type& type) -> std::int64_t {
    constexpr std::int64_t kText = 32, kElements = 8;
    if (type.kind == Kind::text || type.kind == Kind::bytes) return kText;
    if (type.kind == Kind::list) return 8 + kElements * self(self, type.children[0].type);
    if (type.kind == Kind::array) return static_cast<std::int64_t>(type.array_size) * self(self, type.children[0].type);
    if (type.kind != Kind::record) return static_cast<std::int64_t>(width_bytes(type.kind));
    std::int64_t sum = 0;
    for (const Field& child : type.children) sum += self(self, child.type);
    return sum;
  };
  std::int64_t sum = 0;
  for (const Field& field : schema.fields()) sum += bytes_of(bytes_of, field.type);
  return std::max<std::int64_t>(sum, 1);
}

std::optional<std::vector<Scan>> parts_of(const plan::NodePtr& node, std::int64_t target_rows,
                                          std::int64_t first_rows) {
  const plan::FileScan& files = *source(node).as<plan::FileScan>();
  std::vector<Scan> scans;
  if (files.format != plan::Format::parquet) {
    if (files.files.size() == 1) return std::nullopt;
    for (const std::string& file : files.files) scans.push_back(scan_of(node, {{file}, 0, -1, false}, 0));
    return scans;
  }
  std::vector<std::pair<plan::Part, std::int64_t>> parts;  // with their rows
  const auto add = [&parts](const std::string& file, std::int64_t from, std::int64_t to) {
    if (to > from) parts.push_back({{{file}, from, to, false}, to - from});
  };
  const auto groups = row_groups(files.files);
  plan::Part small;  // whole files that are read together
  std::int64_t small_rows = 0;
  const auto flush = [&] {
    if (!small.files.empty()) parts.emplace_back(std::exchange(small, {}), std::exchange(small_rows, 0));
  };
  for (const std::string& file : files.files) {
    const auto found = groups.find(file);
    const std::vector<std::int64_t> rows = found == groups.end() ? std::vector<std::int64_t>{} : found->second;
    const std::int64_t total = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
    if (2 * total < 3 * target_rows) {
      if (small_rows + total > target_rows) flush();
      small.files.push_back(file);
      small_rows += total;
      continue;
    }
    flush();
    std::int64_t from = 0, upto = 0;
    for (const std::int64_t n : rows) {
      const std::int64_t pieces = std::max<std::int64_t>(1, (n + target_rows / 2) / target_rows);
      if (pieces > 1) {  // a large row group: in equal pieces, after what is before it
        add(file, from, upto);
        for (std::int64_t i = 0; i < pieces; ++i) add(file, upto + n * i / pieces, upto + n * (i + 1) / pieces);
        from = upto += n;
        continue;
      }
      if (upto + n - from > target_rows) {
        add(file, from, upto);
        from = upto;
      }
      upto += n;
    }
    add(file, from, upto);
  }
  flush();
  if (first_rows > 0 && !parts.empty() && parts.front().second > 2 * first_rows &&
      parts.front().first.files.size() == 1) {
    plan::Part& first = parts.front().first;
    plan::Part rest = first;
    const std::int64_t end = first.from_row + parts.front().second;
    rest.from_row = first.to_row = first.from_row + first_rows;
    rest.to_row = end;
    parts.front().second = first_rows;
    parts.insert(parts.begin() + 1, {std::move(rest), end - first.from_row - first_rows});
  }
  for (const auto& [part, rows] : parts) scans.push_back(scan_of(node, part, rows));
  return scans;
}

}  // namespace manta::data::executor
