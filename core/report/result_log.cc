#include <manta/report/result_log.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <manta/files/append_file.h>
#include <manta/files/file.h>
#include <manta/report/text.h>

namespace manta::report {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = std::size_t{4} << 30;  // of a log that is read to go on in it

// What a file of lines holds, without a last line that was cut when its writer died.
std::string whole_lines(const fs::path& path) {
  std::string content = fs::exists(path) ? files::read_file(path, kMostBytes) : std::string();
  content.resize(content.find_last_of('\n') + 1);  // npos + 1 is 0
  return content;
}

// The cells of a header, as they stand there.
std::vector<std::string> cells(std::string_view line) {
  std::vector<std::string> found(1);
  bool inside = false;
  for (const char c : line) {
    if (c == '"') inside = !inside;
    if (c == ',' && !inside) {
      found.emplace_back();
    } else {
      found.back() += c;
    }
  }
  return found;
}

std::string joined(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& text : cells) line += (line.empty() ? "" : ",") + text;
  return line;
}

}  // namespace

struct ResultLog::Files {
  Files(const fs::path& folder, std::int64_t keep) : csv_path(folder / "progress.csv") {
    const fs::path json_path = folder / "result.json";
    std::string lines = whole_lines(json_path);
    std::string rows = whole_lines(csv_path);
    if (keep != INT64_MAX) drop_after(keep, lines, rows);
    if (!lines.empty()) read_last(json_path, std::string_view(lines).substr(0, lines.size() - 1));
    if (!rows.empty()) columns = cells(std::string_view(rows).substr(0, rows.find('\n')));
    json = std::make_unique<files::AppendFile>(json_path, lines.size());
    csv = std::make_unique<files::AppendFile>(csv_path, rows.size());
  }

  // A report is a line of the one and a row of the other.
  static void drop_after(std::int64_t keep, std::string& lines, std::string& rows) {
    std::size_t kept = 0;  // bytes of lines
    std::size_t count = 0;
    while (kept < lines.size()) {
      const std::size_t end = lines.find('\n', kept) + 1;
      const auto line =
          nlohmann::json::parse(with_quoted_nan(std::string_view(lines).substr(kept, end - kept)), nullptr, false);
      const auto iteration = line.is_object() ? line.find("training_iteration") : line.end();
      if (iteration != line.end() && iteration->is_number() && iteration->get<double>() > static_cast<double>(keep))
        break;
      kept = end;
      ++count;
    }
    lines.resize(kept);
    std::size_t end = rows.find('\n') + 1;  // of the header; npos + 1 is 0
    for (; count > 0 && end > 0 && end < rows.size(); --count) end = rows.find('\n', end) + 1;
    rows.resize(end);
  }

  void read_last(const fs::path& path, std::string_view lines) {
    const std::string_view last = lines.substr(lines.find_last_of('\n') + 1);
    iterations = std::count(lines.begin(), lines.end(), '\n') + 1;
    const auto line = nlohmann::json::parse(with_quoted_nan(last), nullptr, false);
    if (!line.is_object()) {
      throw Error(ErrorCode::invalid_argument, path.string() +
                                                   ": its last line is not a report. Next: move the file away, "
                                                   "or name another folder.");
    }
    const auto iteration = line.find("training_iteration");
    const auto time = line.find("time_total_s");
    if (iteration != line.end() && iteration->is_number_integer()) iterations = iteration->get<std::int64_t>();
    if (time != line.end() && time->is_number()) time_before = time->get<double>();
  }

  void add(Metrics metrics) {
    ++iterations;
    const double total = time_before + std::chrono::duration<double>(Clock::now() - start).count();
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    metrics.emplace("training_iteration", static_cast<double>(iterations));
    metrics.emplace("time_total_s", total);
    metrics.emplace("timestamp", static_cast<double>(static_cast<std::int64_t>(now)));
    std::string line;
    for (const auto& [name, value] : metrics) {
      line += (line.empty() ? "{" : ", ") + json_string(name) + ": " + as_number(value, "NaN", "Infinity");
    }
    json->append(line + "}\n");
    add_row(metrics);
  }

  void add_row(const Metrics& metrics) {
    Metrics by_cell;
    for (const auto& [name, value] : metrics) by_cell[csv_cell(name)] = value;
    if (!widen(by_cell)) return;
    std::vector<std::string> row;
    for (const std::string& column : columns) {
      const auto at = by_cell.find(column);
      row.push_back(at == by_cell.end() ? "" : as_number(at->second, "nan", "inf"));
    }
    std::string line = row.front();
    for (std::size_t i = 1; i < row.size(); ++i) line += "," + row[i];
    csv->append(line + "\n");
  }

  // Columns for all of these; false where the file could not be written anew.
  bool widen(const Metrics& by_cell) {
    const std::set<std::string> known(columns.begin(), columns.end());
    std::vector<std::string> wider = columns;
    for (const auto& [name, value] : by_cell) {
      if (!known.contains(name)) wider.push_back(name);
    }
    if (wider.size() == columns.size()) return true;
    if (columns.empty()) {  // nothing to be replaced
      if (!csv->append(joined(wider) + "\n")) return false;
      columns = std::move(wider);
      return true;
    }
    const std::string filling(wider.size() - columns.size(), ',');
    const fs::path part = csv_path.string() + ".part";
    try {
      std::string text = joined(wider) + "\n";
      const std::string rows = whole_lines(csv_path);
      for (std::size_t at = rows.find('\n') + 1; at > 0 && at < rows.size();) {
        const std::size_t end = rows.find('\n', at);
        text += rows.substr(at, end - at) + filling + "\n";
        at = end + 1;
      }
      files::OutputFile file(part);
      file.write(text.data(), text.size());
      file.finish();
      fs::rename(part, csv_path);
      csv = std::make_unique<files::AppendFile>(csv_path, UINT64_MAX, csv->error());
      columns = std::move(wider);
      return true;
    } catch (const Error& error) {
      csv->failed(error);
    } catch (const fs::filesystem_error& error) {
      csv->failed(files::file_error(csv_path, "cannot be replaced", error.code().value()));
    }
    std::error_code ignored;
    fs::remove(part, ignored);
    return false;
  }

  fs::path csv_path;
  std::unique_ptr<files::AppendFile> json;
  std::unique_ptr<files::AppendFile> csv;
  std::vector<std::string> columns;  // as they stand in the header
  std::int64_t iterations = 0;
  double time_before = 0;
  Clock::time_point start = Clock::now();
};

ResultLog::ResultLog(const fs::path& folder, std::int64_t keep) {
  files::make_folders(folder);
  files_ = std::make_unique<Files>(folder, keep);
}

ResultLog::ResultLog(ResultLog&&) noexcept = default;
ResultLog& ResultLog::operator=(ResultLog&&) noexcept = default;
ResultLog::~ResultLog() = default;

void ResultLog::add(const Metrics& metrics) { files_->add(metrics); }
std::int64_t ResultLog::iterations() const { return files_->iterations; }
const std::optional<Error>& ResultLog::error() const {
  return files_->json->error() ? files_->json->error() : files_->csv->error();
}

}  // namespace manta::report
