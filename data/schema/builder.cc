#include <algorithm>
#include <cstdlib>
#include <map>
#include <new>

#include <manta/data/builder.h>
#include <manta/detail/mutex.h>
#include <manta/error.h>

namespace manta::data {

namespace detail {

namespace {

constexpr std::size_t kAlignment = 64;

// Large pieces of memory that were freed, kept for the next column: a page that is used again costs no fault.
class Pool {
 public:
  static Pool& get() {
    static auto* pool = new Pool();  // columns may outlive static objects
    return *pool;
  }

  // A piece of at least so many bytes, and how many it has; null: there is none.
  std::pair<std::byte*, std::size_t> take(std::size_t bytes) {
    const manta::detail::MutexLock lock(mutex_);
    const auto found = pieces_.lower_bound(bytes);
    if (found == pieces_.end() || found->first > 2 * bytes) return {nullptr, 0};
    const std::pair<std::byte*, std::size_t> piece{found->second, found->first};
    kept_ -= found->first;
    pieces_.erase(found);
    return piece;
  }
  // False: it is full.
  bool give(std::byte* data, std::size_t bytes) {
    const manta::detail::MutexLock lock(mutex_);
    if (kept_ + bytes > kMost) return false;
    kept_ += bytes;
    pieces_.emplace(bytes, data);
    return true;
  }

 private:
  static constexpr std::size_t kMost = std::size_t{32} << 20;
  manta::detail::Mutex mutex_;
  std::multimap<std::size_t, std::byte*> pieces_ MANTA_GUARDED_BY(mutex_);
  std::size_t kept_ MANTA_GUARDED_BY(mutex_) = 0;
};

constexpr std::size_t kPooled = std::size_t{128} << 10;  // what malloc would map and unmap

}  // namespace

void FreeBytes::operator()(std::byte* data) const {
  if (capacity < kPooled || !Pool::get().give(data, capacity)) std::free(data);
}

void GrowingBytes::grow(std::size_t more) {
  const std::size_t wanted = std::max({size_ + more, capacity_ + capacity_ / 2, std::size_t{256}});
  std::size_t capacity = (wanted + kAlignment - 1) / kAlignment * kAlignment;
  std::byte* piece = nullptr;
  if (capacity >= kPooled) {
    const auto [pooled, bytes] = Pool::get().take(capacity);
    if (pooled != nullptr) capacity = bytes;
    piece = pooled;
  }
  if (piece == nullptr) piece = static_cast<std::byte*>(std::aligned_alloc(kAlignment, capacity));
  std::unique_ptr<std::byte, FreeBytes> data(piece, FreeBytes(capacity));
  if (data == nullptr) throw std::bad_alloc();
  if (size_ != 0) std::memcpy(data.get(), data_.get(), size_);
  data_ = std::move(data);
  capacity_ = capacity;
}

Buffer GrowingBytes::take() {
  const std::size_t size = std::exchange(size_, 0);
  const FreeBytes free(std::exchange(capacity_, 0));
  std::shared_ptr<std::byte> data(data_.release(), free);
  const std::byte* place = data.get();
  return {place, size, std::move(data)};
}

}  // namespace detail

namespace {

bool has_offsets(Kind kind) { return kind == Kind::text || kind == Kind::bytes || kind == Kind::list; }

}  // namespace

ColumnBuilder::ColumnBuilder(Type type) : type_(std::move(type)), width_(width_bytes(type_.kind)) {
  if (has_offsets(type_.kind)) offsets_.push(std::int64_t{0});
  for (const Field& child : type_.children) children_.emplace_back(child.type);
}

void ColumnBuilder::reserve(std::int64_t rows) {
  values_.reserve(static_cast<std::size_t>(rows) * width_);
  if (has_offsets(type_.kind)) offsets_.reserve(static_cast<std::size_t>(rows) * sizeof(std::int64_t));
  if (type_.kind == Kind::array) children_[0].reserve(rows * static_cast<std::int64_t>(type_.array_size));
}

void ColumnBuilder::reserve_like(std::int64_t rows) {
  if ((type_.kind != Kind::text && type_.kind != Kind::bytes) || rows_ == 0 || rows <= 0) return;
  const double each = static_cast<double>(values_.size()) / static_cast<double>(rows_);
  values_.reserve(static_cast<std::size_t>(each * 1.02 * static_cast<double>(rows)) + kSlack);
}

void ColumnBuilder::mark_valid(std::int64_t row) {
  const auto byte = static_cast<std::size_t>(row / 8);
  while (nulls_.size() <= byte) nulls_.push(std::byte{0});
  nulls_.data()[byte] |= std::byte{1} << (row % 8);
}

void ColumnBuilder::set_null(std::int64_t row) {
  if (nulls_.size() == 0) {
    for (std::int64_t i = 0; i < rows_; ++i) mark_valid(i);
  }
  const auto byte = static_cast<std::size_t>(row / 8);
  while (nulls_.size() <= byte) nulls_.push(std::byte{0});
  nulls_.data()[byte] &= ~(std::byte{1} << (row % 8));
}

void ColumnBuilder::count_rows(std::int64_t count) {
  const std::int64_t before = rows_;
  rows_ += count;
  if (nulls_.size() == 0) return;
  for (std::int64_t row = before; row < rows_; ++row) mark_valid(row);
}

std::byte* ColumnBuilder::extend(std::int64_t count) {
  count_rows(count);
  return values_.extend(static_cast<std::size_t>(count) * width_);
}

void ColumnBuilder::push_null() {
  if (width_ != 0) std::memset(values_.extend(width_), 0, width_);
  if (type_.kind == Kind::array) {
    for (std::uint64_t i = 0; i < type_.array_size; ++i) children_[0].push_null();
  } else if (type_.kind == Kind::record) {
    for (ColumnBuilder& child : children_) child.push_null();
  } else if (type_.kind == Kind::list) {
    offsets_.push(children_[0].rows());
  } else if (width_ == 0) {
    offsets_.push(static_cast<std::int64_t>(values_.size()));
  }
  count_row();
  set_null(rows_ - 1);
}

void ColumnBuilder::end_row() {
  if (type_.kind == Kind::list) offsets_.push(children_[0].rows());
  count_row();
}

void ColumnBuilder::append(const Column& column, std::int64_t from, std::int64_t count) {
  if (!(column.type() == type_)) detail::throw_wrong_kind(column.type(), to_string(type_));
  if (count <= 0) return;
  const Column::Parts& parts = column.parts();
  const auto* offsets = reinterpret_cast<const std::int64_t*>(parts.offsets.data);
  if (width_ != 0) {
    const std::size_t bytes = static_cast<std::size_t>(count) * width_;
    values_.append(parts.values.data + static_cast<std::size_t>(from) * width_, bytes);
  } else if (type_.kind == Kind::array) {
    const auto size = static_cast<std::int64_t>(type_.array_size);
    children_[0].append(column.child(0), from * size, count * size);
  } else if (type_.kind == Kind::record) {
    for (std::size_t i = 0; i < children_.size(); ++i) children_[i].append(column.child(i), from, count);
  } else {
    const bool list = type_.kind == Kind::list;
    const std::int64_t first = offsets[from];
    const std::int64_t base = list ? children_[0].rows() : static_cast<std::int64_t>(values_.size());
    if (list) {
      children_[0].append(column.child(0), first - parts.first_offset, offsets[from + count] - first);
    } else {
      const auto bytes = static_cast<std::size_t>(offsets[from + count] - first);
      values_.append(parts.values.data + (first - parts.first_offset), bytes);
    }
    auto* to = reinterpret_cast<std::int64_t*>(offsets_.extend(static_cast<std::size_t>(count) * sizeof(std::int64_t)));
    for (std::int64_t i = 0; i < count; ++i) to[i] = base + offsets[from + i + 1] - first;
  }
  const std::int64_t before = rows_;
  count_rows(count);
  if (!column.has_nulls()) return;
  for (std::int64_t i = 0; i < count; ++i) {
    if (column.is_null(from + i)) set_null(before + i);
  }
}

ColumnBuilder::Texts ColumnBuilder::extend_texts(std::int64_t count, std::int64_t bytes) {
  const auto base = static_cast<std::int64_t>(values_.size());
  auto* place = reinterpret_cast<char*>(values_.extend(static_cast<std::size_t>(bytes) + kSlack));
  values_.shrink(kSlack);
  auto* ends = reinterpret_cast<std::int64_t*>(offsets_.extend(static_cast<std::size_t>(count) * sizeof(std::int64_t)));
  count_rows(count);
  return {place, ends, base};
}

void ColumnBuilder::append(std::span<const Column* const> columns, std::span<const Pick> picks) {
  for (const Column* column : columns) {
    if (!(column->type() == type_)) detail::throw_wrong_kind(column->type(), to_string(type_));
  }
  const std::int64_t before = rows_;
  const auto count = static_cast<std::int64_t>(picks.size());
  if (type_.kind == Kind::text || type_.kind == Kind::bytes) {
    std::int64_t bytes = 0;
    for (const Pick& pick : picks) bytes += static_cast<std::int64_t>(columns[pick.column]->text(pick.row).size());
    const Texts texts = extend_texts(count, bytes);
    std::size_t at = 0;
    for (std::size_t i = 0; i < picks.size(); ++i) {
      const std::string_view text = columns[picks[i].column]->text(picks[i].row);
      if (!text.empty()) std::memcpy(texts.bytes + at, text.data(), text.size());
      at += text.size();
      texts.ends[i] = texts.base + static_cast<std::int64_t>(at);
    }
  } else if (width_ == 0) {
    for (const Pick& pick : picks) append(*columns[pick.column], pick.row, 1);
    return;
  } else {
    std::vector<const std::byte*> values;
    for (const Column* column : columns) values.push_back(column->parts().values.data);
    std::byte* to = extend(count);
    const auto copy = [&]<class T>(T*) {
      for (std::size_t i = 0; i < picks.size(); ++i) {
        std::memcpy(to + i * sizeof(T), values[picks[i].column] + static_cast<std::size_t>(picks[i].row) * sizeof(T),
                    sizeof(T));
      }
    };
    if (width_ == 8) copy(static_cast<std::uint64_t*>(nullptr));
    if (width_ == 4) copy(static_cast<std::uint32_t*>(nullptr));
    if (width_ == 2) copy(static_cast<std::uint16_t*>(nullptr));
    if (width_ == 1) copy(static_cast<std::uint8_t*>(nullptr));
  }
  if (std::none_of(columns.begin(), columns.end(), [](const Column* column) { return column->has_nulls(); })) return;
  for (std::size_t i = 0; i < picks.size(); ++i) {
    if (columns[picks[i].column]->is_null(picks[i].row)) set_null(before + static_cast<std::int64_t>(i));
  }
}

Column ColumnBuilder::finish() {
  Column::Parts parts;
  parts.rows = std::exchange(rows_, 0);
  parts.values = values_.take();
  parts.offsets = offsets_.take();
  if (nulls_.size() != 0) parts.nulls = nulls_.take();
  if (has_offsets(type_.kind)) offsets_.push(std::int64_t{0});
  for (ColumnBuilder& child : children_) parts.children.push_back(child.finish());
  return Column(type_, std::move(parts));
}

}  // namespace manta::data
