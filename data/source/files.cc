// Tables from files that the engine reads.
#include <algorithm>
#include <filesystem>
#include <map>

#include <manta/data/read.h>
#include <manta/error.h>

#include "data/engine/engine.h"
#include "data/plan/node.h"

namespace manta::data {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> list_files(const std::string& reader, const std::string& files,
                                    const std::vector<std::string>& endings) {
  if (files.empty()) throw Error(ErrorCode::invalid_argument, "data: " + reader + ": the file's name is empty");
  std::vector<std::string> found;
  std::error_code error;
  if (fs::is_directory(files, error)) {
    for (auto entry = fs::recursive_directory_iterator(files, error); entry != fs::recursive_directory_iterator();
         entry.increment(error)) {
      const std::string name = entry->path().string();
      const bool ends = std::any_of(endings.begin(), endings.end(),
                                    [&](const std::string& ending) { return name.ends_with(ending); });
      if (ends && entry->is_regular_file(error)) found.push_back(name);
    }
    if (found.empty()) {
      throw Error(ErrorCode::not_found,
                  "data: " + reader + ": the folder " + files + " has no file *" + endings.front());
    }
  } else if (fs::exists(files, error)) {
    found.push_back(files);
  } else if (files.find_first_of("*?[") != std::string::npos) {
    engine::Query query = engine::Engine::get().query("SELECT file FROM glob(" + engine::sql_text(files) + ")");
    while (const std::optional<Block> block = query.next(1024)) {
      for (std::int64_t row = 0; row < block->rows(); ++row) found.emplace_back(block->column(0).text(row));
    }
  }
  if (found.empty()) {
    throw Error(ErrorCode::not_found, "data: " + reader + ": there is no file " + files + " (seen from " +
                                          fs::current_path(error).string() + ")");
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool may_mix(const Type& a, const Type& b) { return a == b || (is_number(a.kind) && is_number(b.kind)); }

// Whether files have columns of their own. Throws where a column's types cannot be brought together.
bool schemas_differ(const std::string& reader, const std::string& function, const std::vector<std::string>& files) {
  struct Seen {
    Type type;
    const std::string* file;
  };
  std::map<std::string, Seen> columns;
  std::optional<Schema> first;
  bool differ = false;
  for (const std::string& file : files) {
    const Schema schema =
        engine::Engine::get().describe("SELECT * FROM " + function + "(" + engine::sql_text(file) + ")");
    if (!first) first = schema;
    differ |= !(schema == *first);
    for (const Field& field : schema.fields()) {
      const auto [seen, is_new] = columns.try_emplace(field.name, Seen{field.type, &file});
      if (is_new || may_mix(seen->second.type, field.type)) continue;
      throw Error(ErrorCode::invalid_argument, "data: " + reader + ": column \"" + field.name + "\" is " +
                                                   to_string(seen->second.type) + " in " + *seen->second.file +
                                                   " and " + to_string(field.type) + " in " + file +
                                                   "; read the files one by one, cast the column, and concat them");
    }
  }
  return differ;
}

Dataset scan(const std::string& reader, const std::string& pattern, plan::FileScan files) {
  auto node = std::make_shared<plan::Node>();
  node->label = reader;
  node->origin = pattern;
  std::string list;
  for (const std::string& file : files.files) list += (list.empty() ? "" : ", ") + engine::sql_text(file);
  try {
    node->schema =
        engine::Engine::get().describe("SELECT * FROM " + reader + "([" + list + "]" + files.arguments + ")");
  } catch (const Error& error) {
    throw Error(error.code(), std::string(error.what()) + "\nwhile " + reader + " looked at " + pattern);
  }
  node->what = std::move(files);
  return Dataset(std::move(node));
}

}  // namespace

Dataset read_parquet(const std::string& files, const ParquetOptions& options) {
  plan::FileScan scanned{plan::Format::parquet, list_files("read_parquet", files, {".parquet", ".pq"}), {}};
  if (scanned.files.size() > 1 && schemas_differ("read_parquet", "read_parquet", scanned.files)) {
    scanned.arguments += ", union_by_name=true";
  }
  scanned.arguments += options.hive_partitions ? ", hive_partitioning=true" : ", hive_partitioning=false";
  return scan("read_parquet", files, std::move(scanned));
}

Dataset read_csv(const std::string& files, const CsvOptions& options) {
  plan::FileScan scanned{plan::Format::csv, list_files("read_csv", files, {".csv", ".csv.gz", ".tsv"}), {}};
  if (scanned.files.size() > 1) scanned.arguments += ", union_by_name=true";
  if (!options.delimiter.empty()) scanned.arguments += ", delim=" + engine::sql_text(options.delimiter);
  if (!options.null_text.empty()) scanned.arguments += ", nullstr=" + engine::sql_text(options.null_text);
  if (options.header >= 0) scanned.arguments += options.header != 0 ? ", header=true" : ", header=false";
  return scan("read_csv", files, std::move(scanned));
}

Dataset read_json(const std::string& files) {
  plan::FileScan scanned{plan::Format::json, list_files("read_json", files, {".json", ".jsonl", ".ndjson"}), {}};
  scanned.arguments = ", format='newline_delimited'";
  if (scanned.files.size() > 1) scanned.arguments += ", union_by_name=true";
  return scan("read_json", files, std::move(scanned));
}

}  // namespace manta::data
