// Tables in memory, and from sources of the user's.
#include <fstream>
#include <numeric>

#include <manta/data/read.h>
#include <manta/error.h>

#include "data/plan/node.h"

namespace manta::data {

namespace {

std::shared_ptr<plan::Node> leaf(std::string label, Schema schema) {
  auto node = std::make_shared<plan::Node>();
  node->origin = label;
  node->label = std::move(label);
  node->schema = std::move(schema);
  return node;
}

// Numbers of a range, so many a block.
struct Range {
  std::int64_t count = 0;
  static constexpr std::int64_t kRows = 262'144;
  std::uint64_t blocks() const { return static_cast<std::uint64_t>((count + kRows - 1) / kRows); }
  Block block(std::uint64_t number) const {
    const std::int64_t from = static_cast<std::int64_t>(number) * kRows;
    std::vector<std::int64_t> values(static_cast<std::size_t>(std::clamp<std::int64_t>(count - from, 0, kRows)));
    std::iota(values.begin(), values.end(), from);
    return Block(Schema({{"value", Kind::int64}}), {column_of(std::move(values))});
  }
};

// An idx file: http://yann.lecun.com/exdb/mnist/
struct IdxFile {
  std::string file;
  std::vector<std::int64_t> shape;  // the first: how many
  std::int64_t header_bytes = 0;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::invalid_argument, "data: read_idx: " + file + " " + what);
  }
  static IdxFile open(const std::string& file) {
    IdxFile idx{file, {}, 4};
    std::ifstream in(file, std::ios::binary);
    if (!in) throw Error(ErrorCode::not_found, "data: read_idx: cannot read " + file);
    unsigned char magic[4] = {};
    in.read(reinterpret_cast<char*>(magic), 4);
    if (!in || magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] == 0) idx.fail("is no idx file of bytes");
    std::int64_t bytes = 1;
    for (int i = 0; i < magic[3]; ++i) {
      unsigned char size[4] = {};
      in.read(reinterpret_cast<char*>(size), 4);
      if (!in) idx.fail("ends in its header");
      idx.shape.push_back(std::int64_t{size[0]} << 24 | size[1] << 16 | size[2] << 8 | size[3]);
      bytes *= idx.shape.back();
      idx.header_bytes += 4;
      if (idx.shape.back() == 0 ? false : bytes > std::int64_t{1} << 40) idx.fail("says that it is larger than 1 TiB");
    }
    in.seekg(0, std::ios::end);
    if (in.tellg() != idx.header_bytes + bytes) {
      idx.fail("has " + std::to_string(in.tellg()) + " bytes, but its header says " +
               std::to_string(idx.header_bytes + bytes));
    }
    return idx;
  }
  std::vector<std::uint8_t> read(std::int64_t from, std::int64_t count) const {
    std::int64_t each = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) each *= shape[i];
    std::vector<std::uint8_t> values(static_cast<std::size_t>(count * each));
    std::ifstream in(file, std::ios::binary);
    in.seekg(header_bytes + from * each);
    in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size()));
    if (!in) fail("could not be read at row " + std::to_string(from));
    return values;
  }
};

struct IdxSource {
  IdxFile images, labels;
  static constexpr std::int64_t kRows = 4'096;
  std::uint64_t blocks() const { return static_cast<std::uint64_t>((images.shape[0] + kRows - 1) / kRows); }
  Block block(std::uint64_t number) const {
    const std::int64_t from = static_cast<std::int64_t>(number) * kRows;
    const std::int64_t count = std::clamp<std::int64_t>(images.shape[0] - from, 0, kRows);
    Column image = column_of(images.read(from, count));
    for (std::size_t i = images.shape.size(); i-- > 1;) {  // from the innermost dimension outwards
      Column::Parts parts;
      parts.rows = image.rows() / std::max<std::int64_t>(images.shape[i], 1);
      Type type = Type::array_of(image.type(), static_cast<std::uint64_t>(images.shape[i]));
      parts.children.push_back(std::move(image));
      image = Column(std::move(type), std::move(parts));
    }
    Type type = image.type();
    return Block(Schema({{"image", std::move(type)}, {"label", Kind::uint8}}),
                 {std::move(image), column_of(labels.read(from, count))});
  }
};

}  // namespace

Dataset detail::from_source(Step step, std::uint64_t blocks) {
  const Schema number({{"number", Kind::int64}});
  const Block first = make_kernel(step)->run(Block(number, {column_of(std::vector<std::int64_t>{0})}), nullptr);
  auto node = leaf(step.name, first.schema());
  node->what = plan::Generated{std::move(step), blocks};
  return Dataset(std::move(node));
}

Dataset from_blocks(std::vector<Block> blocks) {
  if (blocks.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "data: from_blocks: no block was given, so the columns are not known; give "
                "a block without rows");
  }
  for (const Block& block : blocks)
    (void)Block::concat(std::vector<Block>{blocks.front().slice(0, 0), block.slice(0, 0)});
  auto node = leaf("a table in memory", blocks.front().schema());
  node->what = plan::Memory{std::move(blocks)};
  return Dataset(std::move(node));
}

Dataset from_block(Block block) { return from_blocks({std::move(block)}); }

Dataset range(std::int64_t count) {
  if (count < 0)
    throw Error(ErrorCode::invalid_argument, "data: range: count must be at least 0, not " + std::to_string(count));
  return read_source(Range{count});
}

Dataset read_idx(const std::string& images, const std::string& labels) {
  IdxSource source{IdxFile::open(images), IdxFile::open(labels)};
  if (source.images.shape[0] != source.labels.shape[0] || source.labels.shape.size() != 1) {
    throw Error(ErrorCode::invalid_argument, "data: read_idx: " + images + " has " +
                                                 std::to_string(source.images.shape[0]) + " images, but " + labels +
                                                 " has " + std::to_string(source.labels.shape[0]) + " labels");
  }
  return read_source(source);
}

}  // namespace manta::data
