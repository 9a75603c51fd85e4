#include "dataset.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kImagesMagic = 0x0803;  // unsigned bytes in three dimensions
constexpr std::uint32_t kLabelsMagic = 0x0801;  // in one

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw std::runtime_error(
      path.string() + ": " + what +
      ". Next: run cmake/deps.sh mnist, which puts the files into .deps/mnist, and give that folder "
      "as --data; remove it first if the files in it are damaged.");
}

// Reads one file of the idx format: a big-endian magic number, the sizes, the bytes.
torch::Tensor read_idx(const fs::path& path, std::uint32_t magic, std::int64_t limit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse(path, "cannot be opened");
  const auto number = [&] {
    std::array<unsigned char, 4> bytes{};
    if (!file.read(reinterpret_cast<char*>(bytes.data()), bytes.size())) refuse(path, "ends within its header");
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
  };
  const std::uint32_t found = number();
  if (found != magic) {
    refuse(path, "begins with the number " + std::to_string(found) + " instead of " + std::to_string(magic) +
                     ", so it is no idx file of this kind (or is still compressed)");
  }
  std::vector<std::int64_t> sizes;
  for (std::uint32_t i = 0; i < (magic & 0xff); ++i) sizes.push_back(number());
  if (sizes.size() == 3 && (sizes[1] != 28 || sizes[2] != 28)) {
    refuse(path,
           "has images of " + std::to_string(sizes[1]) + " x " + std::to_string(sizes[2]) + " instead of 28 x 28");
  }
  const std::int64_t each = sizes.size() == 3 ? 28 * 28 : 1;
  const auto there = static_cast<std::int64_t>(fs::file_size(path)) - 4 - 4 * static_cast<std::int64_t>(sizes.size());
  if (there != sizes[0] * each) {
    refuse(path, "has " + std::to_string(there) + " bytes after its header, which announces " +
                     std::to_string(sizes[0] * each));
  }
  if (limit > 0) sizes[0] = std::min(sizes[0], limit);
  torch::Tensor bytes = torch::empty(sizes, torch::kUInt8);
  if (!file.read(static_cast<char*>(bytes.mutable_data_ptr()), static_cast<std::streamsize>(bytes.nbytes()))) {
    refuse(path, "cannot be read to its end");
  }
  return bytes;
}

}  // namespace

Digits read_digits(const fs::path& folder, Part part, std::int64_t limit) {
  if (!fs::is_directory(folder)) refuse(folder, "is no folder");
  const std::string prefix = part == Part::train ? "train" : "t10k";
  const fs::path images = folder / (prefix + "-images-idx3-ubyte"), labels = folder / (prefix + "-labels-idx1-ubyte");
  Digits digits{read_idx(images, kImagesMagic, limit), read_idx(labels, kLabelsMagic, limit)};
  if (digits.images.size(0) != digits.labels.size(0)) {
    refuse(labels, "has " + std::to_string(digits.labels.size(0)) + " labels for the " +
                       std::to_string(digits.images.size(0)) + " images of " + images.string());
  }
  if (digits.size() == 0) refuse(images, "has no images");
  if (digits.labels.max().item<int>() > 9) refuse(labels, "has a label above 9");
  return digits;
}

torch::Tensor normalised(const torch::Tensor& images) {
  return images.to(torch::kFloat).sub_(33.318f).div_(78.567f).unsqueeze_(1);  // mean and deviation of all pixels
}
