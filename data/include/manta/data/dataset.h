/// Tables that are read, transformed and fed in parallel: lazy, and only as far as they are asked for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/data/block.h>
#include <manta/data/detail/kernels.h>
#include <manta/data/expression.h>
#include <manta/data/row.h>
#include <manta/function.h>

namespace manta::data {

namespace plan {
struct Node;
}
class Batches;
class Dataset;
class Grouped;
class Shard;
struct StepOptions;

namespace detail {
// What the templates of Dataset are made of.
Dataset with_step(const Dataset& table, Step step, Schema schema, const StepOptions& options, bool actors);
Dataset with_column_step(const Dataset& table, Step step, const std::vector<std::string>& names,
                         const std::vector<Type>& takes, const Type& gives, const StepOptions& options);
Dataset aggregate(const Dataset& table, const std::vector<std::string>& keys, const std::vector<Aggregate>& results);
/// The columns of a struct, cast to its fields' types; refuses what does not fit.
Dataset narrowed(const Dataset& table, const Schema& to, std::string_view row);
/// The columns of what the step makes of a block without rows.
Schema schema_after(const Dataset& table, const Step& step);
template <class Callee, class File>
Dataset batch_step(const Dataset& table, typename Callee::State state, const StepOptions& options, bool actors);
}  // namespace detail
template <Row R>
class TypedDataset;

/// How a plan is executed. The settings of a Dataset hold for what is made from it.
struct ExecutionOptions {
  /// Bound on blocks and on the engine's memory, of all processes that work on the plan; -1: a quarter of the object
  /// store where Manta runs, else a quarter of the machine's memory. Sorts, joins, groups and shuffles that need more
  /// spill to disk. The engine takes 128 MiB at least, and goes over its limit by about as much; a join by more.
  std::int64_t memory_budget_bytes = -1;
  /// Blocks that are worked on or wait for the consumer at a time; -1: three for each CPU, fewer where the budget says
  /// so.
  int max_blocks = -1;
  /// Where rows go for which the user's code throws; empty: such a row ends the plan. A Parquet file with the columns
  /// step, error and row; written when the plan has ended, and only if there are such rows.
  std::string quarantine = {};
};

/// For shuffle().
struct ShuffleOptions {
  std::uint64_t seed = 0;
  std::int64_t window_rows = 262'144;  ///< rows that are mixed with each other, at least; the memory that it needs
};

/// For batches().
struct BatchOptions {
  /// Leaves out the last batch where it would be smaller. Shards of a streaming_split() also leave out batches that not
  /// all of them get, so that all have as many.
  bool drop_last = false;
  std::uint64_t epoch = 0;  ///< the first
};

/// How a step of the user's code is run.
struct StepOptions {
  /// -1: 1; but 0 where it feeds a streaming_split(), whose consumers may hold all CPUs.
  double num_cpus = -1;
  double num_gpus = 0;
  /// Of map<Model>(...) and the like: the step runs in actors that keep their Model. As many as there is work for,
  /// between these.
  int min_actors = 1;
  int max_actors = 4;
};

/// Order of a column for sort(). Nulls come last in both.
enum class Order : std::uint8_t { ascending, descending };
inline constexpr Order ascending = Order::ascending;
inline constexpr Order descending = Order::descending;
struct SortKey {
  SortKey(const char* name, Order how = ascending) : column(name), order(how) {}             // NOLINT: sort({"a", "b"})
  SortKey(std::string name, Order how = ascending) : column(std::move(name)), order(how) {}  // NOLINT
  std::string column;
  Order order;
};

/// Names of columns, for select() and the like: one, or {"a", "b"}.
struct Columns {
  Columns() = default;
  Columns(const char* name) : names{name} {}                        // NOLINT: group_by("origin")
  Columns(std::string name) : names{std::move(name)} {}             // NOLINT
  Columns(std::vector<std::string> all) : names(std::move(all)) {}  // NOLINT
  Columns(std::initializer_list<std::string> all) : names(all) {}   // NOLINT: select({"a", "b"})
  std::vector<std::string> names;
};

enum class JoinKind : std::uint8_t { inner, left, right, full, semi, anti };

namespace detail {
/// Walks what a source's next() gives, until it gives nothing.
template <class Source>
class PullIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Block;
  using difference_type = std::ptrdiff_t;
  using pointer = const Block*;
  using reference = const Block&;
  explicit PullIterator(Source* source) : source_(source) { ++*this; }
  const Block& operator*() const { return *block_; }
  const Block* operator->() const { return &*block_; }
  PullIterator& operator++() {
    block_ = source_->next();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const PullIterator& iterator, std::default_sentinel_t) { return !iterator.block_; }

 private:
  Source* source_;
  std::optional<Block> block_;
};
}  // namespace detail

/// The blocks of a plan's result, as they come.
///
/// **Threading**: one thread at a time. **Ownership**: movable; ends the plan when destroyed. **Errors**: next() throws
/// TaskError and Error as get() does.
class BlockReader {
 public:
  struct Impl {
    virtual ~Impl() = default;
    virtual std::optional<Block> next() = 0;
  };
  explicit BlockReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

  /// The next block, never without rows; nothing: all were read. Blocks until it is there.
  std::optional<Block> next() { return impl_->next(); }

  using Iterator = detail::PullIterator<BlockReader>;
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A lazy table. Operations return another Dataset and do no work but the check that they fit: unknown columns, wrong
/// types and missing files are reported at once. What ends a plan (count, block, rows, write, ...) runs it.
///
/// Relational operations run in the engine, with all CPUs; functions of the user's run as tasks of Manta in worker
/// processes, a block at a time, or in this process where Manta was not started.
///
/// **Threading**: immutable, any thread. **Ownership**: a value; copies share the plan. **Errors**: Error:
/// invalid_argument for what does not fit, exhausted where memory and disk do not suffice; TaskError where the user's
/// code threw: it names the step, the file, the row and its values.
///
///     auto flights = manta::data::read_parquet("flights-*.parquet");
///     flights.filter(col("delay") > 15).group_by("origin").aggregate(mean("delay"), count()).show();
class Dataset {
 public:
  /// Empty: may only be assigned to.
  Dataset() = default;
  explicit Dataset(std::shared_ptr<const plan::Node> node, ExecutionOptions options = {});

  const Schema& schema() const;
  /// The same table under other execution options.
  Dataset with_options(ExecutionOptions options) const { return Dataset(node_, std::move(options)); }
  const ExecutionOptions& options() const { return options_; }

  // --- rows ---
  Dataset filter(const Expression& condition) const;
  Dataset limit(std::int64_t rows, std::int64_t offset = 0) const;
  /// About this fraction of the rows; which, depends on the seed and their positions only.
  Dataset sample(double fraction, std::uint64_t seed = 0) const;
  /// All rows in an order that depends on the seed only, each equally probable.
  Dataset random_shuffle(std::uint64_t seed = 0) const;
  Dataset sort(const std::string& column, Order order = ascending) const { return sort({SortKey(column, order)}); }
  Dataset sort(const std::vector<SortKey>& keys) const;
  /// One row of each combination of the columns' values; of all columns, if none are given. Which, and in which order,
  /// is not defined.
  Dataset unique(const Columns& columns = {}) const;
  /// Two parts, with about `fraction` of the rows in the first; which, depends on the seed and positions only.
  std::pair<Dataset, Dataset> split(double fraction, std::uint64_t seed = 0) const;

  // --- columns ---
  Dataset select(const Columns& columns) const;
  Dataset drop(const Columns& columns) const;
  /// {{"old", "new"}, ...}
  Dataset rename(const std::vector<std::pair<std::string, std::string>>& names) const;
  /// A further column, or another in the place of the one with that name.
  Dataset with_column(const std::string& name, const Expression& value) const;
  /// The same by a function of the program, called once for each row with the values of `columns`:
  /// with_column<speed>("speed", {"distance", "time"}).
  template <auto F, class File = ThisFile>
  Dataset with_column(const std::string& name, const Columns& columns, const StepOptions& options = {}) const {
    using Kernel = detail::ColumnKernel<F, File>;
    std::vector<std::string> names{name};
    names.insert(names.end(), columns.names.begin(), columns.names.end());
    return detail::with_column_step(*this, detail::step_of<Kernel, File>(names), names, Kernel::types(),
                                    detail::FieldCodec<typename Kernel::Out>::type(), options);
  }

  // --- tables ---
  Grouped group_by(const Columns& columns) const;
  /// One row: over all rows.
  template <class... As>
  Dataset aggregate(const Aggregate& one, const As&... more) const {
    return detail::aggregate(*this, {}, {one, more...});
  }
  Dataset join(const Dataset& other, const Columns& on, JoinKind kind = JoinKind::inner) const;
  /// The rows of this one, then the other's, which has the same columns in any order.
  Dataset concat(const Dataset& other) const;
  /// Row i beside the other's row i. Columns' names must differ; both must have as many rows.
  Dataset zip(const Dataset& other) const;

  // --- code of the user's ---
  /// Rows as a struct: only its columns are read. Integers widen, and float64 may become float32.
  template <Row R>
  TypedDataset<R> as() const;
  /// A block out of each block: F takes a const Block&, a std::vector<R> or std::span<const R> of rows, or with
  /// <manta/data/torch.h> tensors, and returns a Block, a std::vector<R> or tensors. It is called once with a block of
  /// no rows when the plan is made, which says the columns of its result.
  template <auto F, class File = ThisFile>
  Dataset map_batches(const StepOptions& options = {}) const {
    return detail::batch_step<detail::NamedFunction<F, File>, File>(*this, {}, options, false);
  }
  /// The same by objects of a class, made from the arguments once in each of a pool of actors.
  template <class C, class... Args>
  Dataset map_batches(Args... args) const {
    return map_batches_with<C>(StepOptions{}, std::move(args)...);
  }
  template <class C, class File = ThisFile, class... Args>
  Dataset map_batches_with(const StepOptions& options, Args... args) const {
    return detail::batch_step<detail::MadeObject<C, Args...>, File>(*this, {std::move(args)...}, options, true);
  }
  /// The shuffle for training: blocks in an order by the seed, and within windows of some blocks the rows in an order
  /// by the seed. It needs no more memory than two windows, and any position of it is found again at once. Rows of
  /// different windows do not mix; random_shuffle() mixes all.
  Dataset shuffle(const ShuffleOptions& options = {}) const;

  // --- feeding; see <manta/data/loader.h> ---
  /// The rows in batches of a size, in this process.
  Batches batches(std::int64_t size, const BatchOptions& options = {}) const;
  /// One part for each of `count` workers: they get the batches of one sequence in turn.
  std::vector<Shard> streaming_split(int count) const;

  // --- results ---
  std::int64_t count() const;
  /// The blocks of the result, in order, while they are made.
  BlockReader blocks() const;
  /// The whole result as one block.
  Block block() const;
  template <Row R>
  std::vector<R> rows() const;
  /// The result, kept in memory: in the object store where Manta runs. Later plans start from there.
  Dataset materialize() const;
  /// The first rows as a table, on the standard output.
  void show(std::int64_t rows = 10) const;
  std::string to_string(std::int64_t rows = 10) const;
  /// A row for each column: count, nulls, about how many different values, the least and the largest; of numbers mean,
  /// standard deviation and quartiles, of those that are finite.
  Dataset describe() const;
  /// The plan: its operations, and how the engine runs its relational parts.
  std::string explain() const;
  /// Writes the result as one file, whole or not at all: it appears under its name when it is complete. The name's
  /// ending says the format: .parquet, .csv, or .json (an object each line). Returns the number of rows.
  std::int64_t write(const std::string& file) const;

  const std::shared_ptr<const plan::Node>& node() const { return node_; }

 private:
  std::shared_ptr<const plan::Node> node_;
  ExecutionOptions options_;
};

/// What group_by returns.
class Grouped {
 public:
  Grouped(Dataset table, std::vector<std::string> keys) : table_(std::move(table)), keys_(std::move(keys)) {}
  /// One row for each group, with the keys and these columns. The order of groups is not defined.
  template <class... As>
  Dataset aggregate(const Aggregate& one, const As&... more) const {
    return detail::aggregate(table_, keys_, {one, more...});
  }
  Dataset count() const { return aggregate(data::count()); }

 private:
  Dataset table_;
  std::vector<std::string> keys_;
};

/// A table whose rows are structs of the type R; its operations on columns are those of any Dataset.
///
/// Threading, ownership and errors: as Dataset.
template <Row R>
class TypedDataset : public Dataset {
 public:
  using row_type = R;
  explicit TypedDataset(Dataset table) : Dataset(std::move(table)) {}

  using Dataset::filter;
  /// The rows for which the function object says true. It travels as one of manta::remote<>(f) does: a lambda, also
  /// with captures of plain bytes, or a struct with serialisable fields.
  template <class F, class File = ThisFile>
  requires std::is_invocable_r_v<bool, F&, const R&> TypedDataset filter(F function)
  const {
    static_assert(manta::detail::check_closure<F>());
    using Kernel = detail::FilterKernel<detail::TravellingFunction<F, File>>;
    static_assert(std::is_same_v<typename Kernel::In, R>, "manta: the function takes another type of row");
    return TypedDataset(
        detail::with_step(*this, detail::step_of<Kernel, File>({std::move(function)}), this->schema(), {}, false));
  }
  /// F(row), a row of another type: a struct, number or text.
  template <auto F, class File = ThisFile>
  auto map(const StepOptions& options = {}) const {
    using Kernel = detail::MapKernel<detail::NamedFunction<F, File>>;
    return mapped<Kernel, typename Kernel::Out, File>({}, options, false);
  }
  template <class F, class File = ThisFile>
  requires std::is_invocable_v<F&, const R&>
  auto map(F function) const {
    static_assert(manta::detail::check_closure<F>());
    using Kernel = detail::MapKernel<detail::TravellingFunction<F, File>>;
    return mapped<Kernel, typename Kernel::Out, File>({std::move(function)}, {}, false);
  }
  /// By objects of a class with an operator(), made from the arguments once in each of a pool of actors:
  /// map<Model>("model.pt").
  template <class C, class... Args>
  auto map(Args... args) const {
    return map_with<C>(StepOptions{}, std::move(args)...);
  }
  template <class C, class File = ThisFile, class... Args>
  auto map_with(const StepOptions& options, Args... args) const {
    using Kernel = detail::MapKernel<detail::MadeObject<C, Args...>>;
    return mapped<Kernel, typename Kernel::Out, File>({std::move(args)...}, options, true);
  }
  /// F(row) returns a std::vector of rows.
  template <auto F, class File = ThisFile>
  auto flat_map(const StepOptions& options = {}) const {
    using Kernel = detail::FlatMapKernel<detail::NamedFunction<F, File>>;
    return mapped<Kernel, typename Kernel::Out, File>({}, options, false);
  }

  std::vector<R> rows() const { return Dataset::rows<R>(); }

 private:
  template <class Kernel, class Out, class File>
  TypedDataset<Out> mapped(typename Kernel::State state, const StepOptions& options, bool actors) const {
    static_assert(std::is_same_v<typename Kernel::In, R>, "manta: the function takes another type of row");
    return TypedDataset<Out>(
        detail::with_step(*this, detail::step_of<Kernel, File>(std::move(state)), row_schema<Out>(), options, actors));
  }
};

template <Row R>
TypedDataset<R> Dataset::as() const {
  return TypedDataset<R>(detail::narrowed(*this, row_schema<R>(), manta::detail::class_label<R>()));
}

template <Row R>
std::vector<R> Dataset::rows() const {
  std::vector<R> all;
  for (const Block& block : detail::narrowed(*this, row_schema<R>(), manta::detail::class_label<R>()).blocks()) {
    const RowReader<R> reader(block);
    for (std::int64_t row = 0; row < block.rows(); ++row) all.push_back(reader.get(row));
  }
  return all;
}

template <class Callee, class File>
Dataset detail::batch_step(const Dataset& table, typename Callee::State state, const StepOptions& options,
                           bool actors) {
  Step step = step_of<BatchKernel<Callee>, File>(state);
  Schema columns = schema_after(table, step);
  return with_step(table, std::move(step), std::move(columns), options, actors);
}

}  // namespace manta::data

/// A Dataset is an argument of tasks and actors: its plan travels, and the blocks of tables in memory.
template <>
struct manta::serial::Codec<manta::data::Dataset> {
  static void save(Writer& writer, const manta::data::Dataset& table);
  static void load(Reader& reader, manta::data::Dataset& table);
};
