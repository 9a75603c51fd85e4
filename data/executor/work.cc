#include "data/executor/work.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <numeric>
#include <utility>

#include <manta/data/builder.h>
#include <manta/error.h>
#include <manta/get.h>

#include "data/engine/engine.h"
#include "data/plan/node.h"

namespace manta::data::executor {

namespace {

Schema bad_columns() { return Schema({{"step", Kind::text}, {"error", Kind::text}, {"row", Kind::text}}); }

std::atomic<bool> own_limits = false;

void limit_engine(const Work& work) {
  static std::int64_t limited = 0;  // tasks of a worker run one after another
  if (own_limits || work.engine_memory_bytes == 0 || limited == work.engine_memory_bytes) return;
  engine::Engine::get().limit(work.engine_memory_bytes, 1);
  engine::Engine::get().spill_below(work.spill_folder);
  limited = work.engine_memory_bytes;
}

Block read(const std::string& sql, const Schema* schema, std::int64_t rows = 0) {
  engine::Query query = engine::Engine::get().query(sql, {}, schema);
  query.expect(rows);
  std::optional<Block> block = query.next(std::numeric_limits<std::int64_t>::max());
  return block ? *std::move(block) : Block(query.schema());
}

// One row as the engine prints it.
std::string row_text(const Block& block, std::int64_t row) {
  bool given = false;
  std::vector<engine::Input> inputs;
  inputs.push_back({"manta_row_text", block.schema(), [&]() -> std::optional<Block> {
                      if (std::exchange(given, true)) return std::nullopt;
                      return block.slice(row, 1);
                    }});
  const std::string sql = "SELECT CAST(t AS VARCHAR) FROM manta_blocks('manta_row_text') AS t";
  const std::optional<Block> text = engine::Engine::get().query(sql, std::move(inputs)).next(1);
  std::string printed = text ? std::string(text->column(0).text(0)) : std::string();
  constexpr std::size_t kMost = 400;
  if (printed.size() > kMost) printed = printed.substr(0, kMost) + "...";
  return printed;
}

class Quarantine final : public detail::BadRows {
 public:
  void add(const Block& input, std::int64_t row, const std::string& what) override {
    columns_[0].push_text(step);
    columns_[1].push_text(what);
    columns_[2].push_text(row_text(input, row));
  }
  Block finish() {
    std::vector<Column> columns;
    for (ColumnBuilder& column : columns_) columns.push_back(column.finish());
    return Block(bad_columns(), std::move(columns));
  }
  std::string step;

 private:
  ColumnBuilder columns_[3] = {ColumnBuilder(Kind::text), ColumnBuilder(Kind::text), ColumnBuilder(Kind::text)};
};

using Kernels = std::vector<std::unique_ptr<detail::Kernel>>;

Kernels kernels_of(const Work& work) {
  Kernels kernels;
  for (const detail::Step& step : work.steps) kernels.push_back(detail::make_kernel(step));
  return kernels;
}

bool fails(const Work& work, const Block& input) {
  try {
    Block block = input;
    for (const auto& kernel : kernels_of(work)) block = kernel->run(block, nullptr);
    return false;
  } catch (...) {
    return true;
  }
}

// The row of the input that makes the steps fail: found by running them on ever smaller parts. -1: none does alone.
std::int64_t failing_row(const Work& work, const Block& input) {
  std::int64_t from = 0, count = input.rows();
  while (count > 1) {
    const std::int64_t half = count / 2;
    const bool first = fails(work, input.slice(from, half));
    if (!first) from += half;
    count = first ? half : count - half;
  }
  return count == 1 && fails(work, input.slice(from, 1)) ? from : -1;
}

// "row 17 of flights.parquet (row group 0): {'origin': JFK}"
std::string source_of(const Work& work, const Block& input) {
  const std::int64_t row = failing_row(work, input);
  if (row < 0)
    return work.scan ? work.scan->place : std::string("a block of ") + std::to_string(input.rows()) + " rows";
  std::string place = "row " + std::to_string(row) + " of a block";
  if (work.scan) place += " of " + work.scan->place;
  if (work.scan && !work.scan->sql_with_position.empty()) {
    const Block position = read(work.scan->sql_with_position, nullptr);
    if (position.rows() == input.rows()) {
      const std::string file(position["manta_file"].text(row));
      place = file;
      if (!position["manta_row"].is_null(row)) {
        const std::int64_t number = position["manta_row"].values<std::int64_t>()[static_cast<std::size_t>(row)];
        const Block group = read(
            "SELECT CAST(count(*) AS BIGINT) FROM (SELECT row_group_id, sum(n) OVER (ORDER BY row_group_id) AS "
            "upto FROM (SELECT row_group_id, max(row_group_num_rows) AS n FROM parquet_metadata(" +
                engine::sql_text(file) + ") GROUP BY 1)) WHERE upto <= " + std::to_string(number),
            nullptr);
        place = "row " + std::to_string(number) + " of " + file + " (row group " +
                std::to_string(group.column(0).values<std::int64_t>()[0]) + ")";
      }
    }
  }
  return place + ": " + row_text(input, row);
}

Output through(const Work& work, const Kernels& kernels, Output output) {
  const Block input = output.block;
  Quarantine bad;
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    bad.step = work.steps[i].name;
    try {
      output.block = kernels[i]->run(output.block, work.keep_bad_rows ? &bad : nullptr);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_argument) throw;  // a full store, a lost object
      throw Error(error.code(), "data: step " + bad.step + ": " + error.what() + "\n" + source_of(work, input));
    } catch (const detail::RowFailure& failure) {
      throw Error(ErrorCode::invalid_argument,
                  "data: step " + bad.step + ": " + failure.what() + "\n" + source_of(work, input));
    } catch (...) {
      throw Error(ErrorCode::invalid_argument,
                  "data: step " + bad.step + ": " + detail::current_message() + "\n" + source_of(work, input));
    }
  }
  const Block left_out = bad.finish();
  if (left_out.rows() != 0) {
    output.bad = output.bad.rows() == 0 ? left_out : Block::concat(std::vector<Block>{output.bad, left_out});
  }
  return output;
}

}  // namespace

void keep_engine_limits() { own_limits = true; }

Output scan(const Work& work) {
  limit_engine(work);
  return through(work, kernels_of(work), {read(work.scan->sql, &work.scan->schema, work.scan->rows), {}});
}

Output run(const Work& work, Output input) {
  limit_engine(work);
  return through(work, kernels_of(work), std::move(input));
}

Output gather_blocks(const Work& work, const std::vector<Block>& inputs, std::uint64_t seed, std::int64_t part,
                     std::int64_t parts) {
  limit_engine(work);
  std::int64_t rows = 0;
  for (const Block& block : inputs) rows += block.rows();
  const std::vector<std::int64_t> order = permutation(rows, seed);
  const auto from = order.begin() + rows * part / parts, to = order.begin() + rows * (part + 1) / parts;
  std::vector<std::int64_t> ends;
  for (const Block& input : inputs) ends.push_back((ends.empty() ? 0 : ends.back()) + input.rows());
  std::vector<std::pair<std::uint32_t, std::int64_t>> picks;
  picks.reserve(static_cast<std::size_t>(to - from));
  for (auto row = from; row != to; ++row) {
    const auto i = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), *row) - ends.begin());
    picks.emplace_back(static_cast<std::uint32_t>(i), *row - (i == 0 ? 0 : ends[i - 1]));
  }
  Block block = Block::gather(inputs, picks);
  return through(work, kernels_of(work), {std::move(block), {}});
}

namespace {

// The blocks of those that are there, and all bad rows.
std::pair<std::vector<Block>, std::vector<Block>> parts_of(std::array<Output, kInputs> inputs) {
  std::pair<std::vector<Block>, std::vector<Block>> parts;
  for (Output& input : inputs) {
    if (input.block.schema().size() != 0) parts.first.push_back(std::move(input.block));
    if (input.bad.rows() != 0) parts.second.push_back(std::move(input.bad));
  }
  return parts;
}

}  // namespace

Output gather(const Work& work, std::uint64_t seed, std::int64_t part, std::int64_t parts, Output a, Output b, Output c,
              Output d, Output e, Output f, Output g, Output h) {
  auto [blocks, bad] = parts_of(
      {std::move(a), std::move(b), std::move(c), std::move(d), std::move(e), std::move(f), std::move(g), std::move(h)});
  Output output = gather_blocks(work, blocks, seed, part, parts);
  if (part != 0) bad.clear();  // each is counted once
  if (output.bad.rows() != 0) bad.push_back(std::move(output.bad));
  output.bad = Block::concat(bad);
  return output;
}

Output join(Output a, Output b, Output c, Output d, Output e, Output f, Output g, Output h) {
  const auto [blocks, bad] = parts_of(
      {std::move(a), std::move(b), std::move(c), std::move(d), std::move(e), std::move(f), std::move(g), std::move(h)});
  return {Block::concat(blocks), Block::concat(bad)};
}

Steps::Steps(Work work) : work_(std::move(work)), kernels_(kernels_of(work_)) {}

Output Steps::run(Output input) {
  limit_engine(work_);
  return through(work_, kernels_, std::move(input));
}

std::uint64_t mixed(std::uint64_t seed, std::uint64_t number) {  // SplitMix64
  std::uint64_t z = seed + (number + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

std::vector<std::int64_t> permutation(std::int64_t count, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::uint64_t i = order.size(); i > 1; --i) {  // Fisher-Yates; Lemire's multiplication in place of a remainder
    __extension__ using Wide = unsigned __int128;
    const Wide wide = static_cast<Wide>(mixed(seed, i)) * i;
    std::swap(order[i - 1], order[static_cast<std::size_t>(wide >> 64)]);
  }
  return order;
}

}  // namespace manta::data::executor
