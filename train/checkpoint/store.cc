// STORE-1: a checkpoint is renamed to .part before it is deleted, so that no partial one has a checkpoint's name.
#include <manta/train/checkpoint_store.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <manta/error.h>

#include <manta/files/file.h>

namespace manta::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint_";
constexpr std::string_view kPart = ".part";

std::string name_of(std::int64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(kPrefix) + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

// The number in checkpoint_NUMBER; -1 for other names.
std::int64_t number_in(std::string_view name) {
  if (!name.starts_with(kPrefix)) return -1;
  name.remove_prefix(kPrefix.size());
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() && number >= 0 ? number : -1;
}

// The folders with a number, complete or not.
std::map<std::int64_t, fs::path> numbered(const fs::path& folder) {
  std::map<std::int64_t, fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::int64_t number = number_in(entry->path().filename().string());
    if (number >= 0) found[number] = entry->path();
  }
  if (error) throw files::file_error(folder, "cannot be read", error.value());
  return found;
}

std::optional<Checkpoint> open_whole(const fs::path& folder) {
  try {
    return Checkpoint(folder);
  } catch (const Error& error) {
    std::fprintf(stderr, "manta: passed over a checkpoint: %s\n", error.what());
    return std::nullopt;
  }
}

// Larger is better; no score is worst.
std::optional<double> score(const Checkpoint& checkpoint, const CheckpointConfig& config) {
  if (config.score_attribute.empty()) return 0;
  const auto at = checkpoint.metrics().find(config.score_attribute);
  if (at == checkpoint.metrics().end() || std::isnan(at->second)) return std::nullopt;
  return config.score_order == ScoreOrder::max ? at->second : -at->second;
}

void remove_checkpoint(const fs::path& folder) {
  std::error_code error;
  const fs::path part = folder.string() + std::string(kPart);
  fs::rename(folder, part, error);  // STORE-1
  if (!error) fs::remove_all(part, error);
  if (error) std::fprintf(stderr, "manta: cannot delete %s: %s\n", folder.c_str(), error.message().c_str());
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path folder, CheckpointConfig config)
    : folder_(std::move(folder)), config_(std::move(config)) {
  if (config_.num_to_keep < 0) {
    throw Error(ErrorCode::invalid_argument, "CheckpointConfig: num_to_keep is " + std::to_string(config_.num_to_keep) +
                                                 ". Next: pass how many to keep, or 0 for all.");
  }
  files::make_folders(folder_);
}

Checkpoint CheckpointStore::save(const State& state, const CheckpointDetails& details) {
  std::error_code error;
  std::vector<fs::path> left_over;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(kPart) && number_in(name.substr(0, name.size() - kPart.size())) >= 0)
      left_over.push_back(entry.path());
  }
  for (const fs::path& path : left_over) fs::remove_all(path, error);
  const auto found = numbered(folder_);
  const std::int64_t next = found.empty() ? 0 : found.rbegin()->first + 1;
  Checkpoint saved = Checkpoint::save(folder_ / name_of(next), state, details);
  delete_surplus();
  return saved;
}

void CheckpointStore::delete_surplus() {
  if (config_.num_to_keep == 0) return;
  std::vector<Checkpoint> ranked = all();
  if (ranked.empty()) return;
  const fs::path latest = ranked.back().folder();
  std::reverse(ranked.begin(), ranked.end());  // the later of two equal ones first
  std::stable_sort(ranked.begin(), ranked.end(),
                   [this](const Checkpoint& a, const Checkpoint& b) { return score(a, config_) > score(b, config_); });
  for (std::size_t i = static_cast<std::size_t>(config_.num_to_keep); i < ranked.size(); ++i) {
    if (ranked[i].folder() != latest) remove_checkpoint(ranked[i].folder());
  }
}

std::optional<Checkpoint> CheckpointStore::latest() const {
  const auto found = numbered(folder_);
  for (auto at = found.rbegin(); at != found.rend(); ++at) {
    if (auto checkpoint = open_whole(at->second)) return checkpoint;
  }
  return std::nullopt;
}

std::optional<Checkpoint> CheckpointStore::best() const {
  std::optional<Checkpoint> best;
  for (Checkpoint& checkpoint : all()) {
    if (!score(checkpoint, config_)) continue;
    if (!best || score(checkpoint, config_) >= score(*best, config_)) best = std::move(checkpoint);
  }
  return best;
}

std::vector<Checkpoint> CheckpointStore::all() const {
  std::vector<Checkpoint> checkpoints;
  for (const auto& [number, folder] : numbered(folder_)) {
    if (auto checkpoint = open_whole(folder)) checkpoints.push_back(*std::move(checkpoint));
  }
  return checkpoints;
}

}  // namespace manta::train
