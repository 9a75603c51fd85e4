// Curves and notes for TensorBoard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <manta/error.h>
#include <manta/report/metrics.h>

namespace manta::report {

/// A hyperparameter's value; TensorBoard knows no other kinds.
using HParam = std::variant<bool, double, std::string>;
using HParams = std::vector<std::pair<std::string, HParam>>;

/// Writes an event file that TensorBoard shows: `tensorboard --logdir FOLDER`, also while the run goes on.
///
/// What was added is in the file after a second at most while more is added, and at once after flush() and the
/// destructor.
///
///     TensorBoardWriter board("runs/1");
///     board.add_scalar("loss", loss, step);
///     board.add_scalars({{"accuracy", 0.97}, {"images/s", 8100}}, step);
///     board.add_text("arguments", "--lr 0.05", 0);
///
/// **Threading**: one thread at a time. **Ownership**: it owns the file, which no other writer shares. **Errors**: the
/// constructor throws Error where the file cannot be made. After that a run does not stop for its curves: the first
/// time that writing fails (disk full) prints one line on the standard error and is kept in error(); what could not be
/// written is lost, the file stays readable, and later events are tried again.
class TensorBoardWriter {
 public:
  /// Makes the folder where there is none.
  explicit TensorBoardWriter(const std::filesystem::path& folder);
  TensorBoardWriter(TensorBoardWriter&&) noexcept;
  TensorBoardWriter& operator=(TensorBoardWriter&&) noexcept;
  ~TensorBoardWriter();

  /// TensorBoard groups tags by what stands before their first '/'. Values are stored in 32 bits.
  void add_scalar(std::string_view tag, double value, std::int64_t step);
  /// Each metric under its name; a prefix such as "train/" comes before it.
  void add_scalars(const Metrics& metrics, std::int64_t step, std::string_view prefix = "");
  /// Shown as Markdown.
  void add_text(std::string_view tag, std::string_view text, std::int64_t step);

  /// For TensorBoard's page of hyperparameters. A run in a folder of its own is a session: its parameters at the start,
  /// its end, and the scalars between. Sessions of one group are shown as one, with the mean of their metrics.
  void begin_session(const HParams& hparams, std::string_view group = "");
  void end_session(bool good);
  /// In the folder above: which columns there are. Of each parameter one value, for its type.
  void add_experiment(std::string_view name, const HParams& hparams, const std::vector<std::string>& metrics);

  void flush();
  /// The first failure; empty as long as all is well.
  const std::optional<Error>& error() const;
  const std::filesystem::path& path() const;

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace manta::report
