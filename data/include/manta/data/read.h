/// Where tables come from: files, memory, sources of one's own, SQL.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <manta/data/dataset.h>

namespace manta::data {

/// For read_parquet.
struct ParquetOptions {
  bool hive_partitions = false;  ///< folders named column=value are columns
};
/// For read_csv. What is not given is found out from the file's beginning.
struct CsvOptions {
  std::string delimiter = {};  ///< one character; empty: found out
  std::string null_text = {};  ///< what stands for a null, besides nothing
  int header = -1;             ///< whether the first line has the columns' names: 1, 0, or -1: found out
};

/// `files`: a file, a folder (all its files with the format's ending, those of folders in it too), or a pattern with *,
/// ** and ?. Files are read in the order of their names. Their columns are those of all files: a column that a file
/// lacks is null there, and of integers and floating point numbers the widest is taken; other differences are refused.
///
/// **Errors**: Error: not_found where there is no such file, invalid_argument where one cannot be read: it is named.
Dataset read_parquet(const std::string& files, const ParquetOptions& options = {});
Dataset read_csv(const std::string& files, const CsvOptions& options = {});
/// A JSON object each line.
Dataset read_json(const std::string& files);
template <Row R>
TypedDataset<R> read_parquet(const std::string& files, const ParquetOptions& options = {}) {
  return read_parquet(files, options).as<R>();
}
template <Row R>
TypedDataset<R> read_csv(const std::string& files, const CsvOptions& options = {}) {
  return read_csv(files, options).as<R>();
}
template <Row R>
TypedDataset<R> read_json(const std::string& files) {
  return read_json(files).as<R>();
}
/// Images and labels in the format of MNIST's files (http://yann.lecun.com/exdb/mnist/), one row an image: the columns
/// image (an array of bytes, of arrays where it has rows and columns) and label (unsigned byte).
Dataset read_idx(const std::string& images, const std::string& labels);

/// Tables in memory.
Dataset from_blocks(std::vector<Block> blocks);
Dataset from_block(Block block);
template <Row R>
TypedDataset<R> from_rows(const std::vector<R>& rows) {
  return TypedDataset<R>(from_block(block_of(rows)));
}
/// A column "value" with the numbers from 0 to count - 1.
Dataset range(std::int64_t count);

/// What read_source takes: a serialisable object that makes blocks by their number, in any order, in any process. The
/// same number gives the same block.
template <class S>
concept Source = serial::Serializable<S> && requires(const S& source, std::uint64_t number) {
  { source.blocks() } -> std::convertible_to<std::uint64_t>;
  { source.block(number) } -> std::convertible_to<Block>;
};
namespace detail {
Dataset from_source(Step step, std::uint64_t blocks);
}
/// A source of one's own. Its block 0 is made once when the plan is made, which says its columns.
template <Source S, class File = ThisFile>
Dataset read_source(const S& source) {
  return detail::from_source(detail::step_of<detail::SourceKernel<S>, File>(source), source.blocks());
}

/// A query over tables, by the names given: sql("select origin, avg(delay) from flights group by 1", {{"flights", f}}).
/// DuckDB's SQL; only these tables can be named, and files by read_parquet(...) and the like.
Dataset sql(const std::string& query, const std::vector<std::pair<std::string, Dataset>>& tables = {});

}  // namespace manta::data
