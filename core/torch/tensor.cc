// The encoding of a tensor: one byte of flags; for a defined tensor its type, the number of dimensions, sizes, strides
// if a flag says so, then the elements: in the stream if they are few, else as a buffer.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/ScalarType.h>
#include <c10/util/SmallVector.h>

#include <manta/error.h>
#include <manta/torch.h>

namespace manta::serial {

namespace {

constexpr std::uint8_t kDefined = 1;
constexpr std::uint8_t kRequiresGrad = 2;
constexpr std::uint8_t kStrided = 4;  // not contiguous: strides follow

using Dimensions = c10::SmallVector<std::int64_t, 8>;

[[noreturn]] void refuse(const std::string& what, const std::string& next_step) {
  throw Error(ErrorCode::invalid_argument,
              "a tensor " + what + " cannot be an argument or a result of a task, nor be stored: " + next_step);
}

void check(const at::Tensor& tensor) {
  if (!tensor.device().is_cpu()) {
    refuse("on device " + tensor.device().str(),
           "only tensors in the CPU's memory travel between processes; call .cpu() first");
  }
  if (tensor.is_quantized()) refuse("of quantised numbers", "call .dequantize() or .int_repr() first");
  if (tensor.layout() != at::kStrided) {
    refuse("that is sparse or of another special layout", "call .to_dense() first, or send its parts");
  }
  if (!tensor.has_storage()) refuse("without storage of its own", "make a plain tensor of it first, by .clone()");
}

// The same values, with elements that fill one block of memory, in any order of dimensions.
at::Tensor in_one_block(const at::Tensor& tensor) {
  if (tensor._is_zerotensor()) return at::zeros(tensor.sizes(), tensor.options());
  at::Tensor plain = tensor;
  if (plain.is_conj()) plain = plain.resolve_conj();
  if (plain.is_neg()) plain = plain.resolve_neg();
  return plain.is_non_overlapping_and_dense() ? plain : plain.contiguous();
}

// Whether tensors of these sizes and strides use each of their elements' places exactly once, and no other place.
bool fills_one_block(const Dimensions& sizes, const Dimensions& strides) {
  c10::SmallVector<std::size_t, 8> order;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return true;
    if (sizes[i] > 1) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return strides[a] < strides[b]; });
  std::int64_t expected = 1;
  for (const std::size_t i : order) {
    if (strides[i] != expected) return false;
    expected *= sizes[i];  // at most the number of elements
  }
  return true;
}

Dimensions contiguous_strides(const Dimensions& sizes) {
  Dimensions strides(sizes.size());
  std::int64_t next = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    strides[i] = next;
    next *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

std::int64_t load_dimension(Reader& reader) {
  const std::uint64_t n = reader.get_size();
  if (n > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) reader.fail("a tensor of " + std::to_string(n));
  return static_cast<std::int64_t>(n);
}

at::ScalarType load_type(Reader& reader) {
  std::uint8_t number = 0;
  reader.get_raw(&number, sizeof number);
  const auto type = static_cast<at::ScalarType>(number);
  if (number >= static_cast<std::uint8_t>(at::ScalarType::NumOptions) || type == at::ScalarType::Undefined ||
      c10::isQIntType(type)) {
    reader.fail("a tensor of type " + std::to_string(number));
  }
  return type;
}

// Bytes of the elements; sizes whose strides or bytes overflow are refused.
std::size_t size_bytes(Reader& reader, const Dimensions& sizes, at::ScalarType type) {
  auto extent = static_cast<std::int64_t>(c10::elementSize(type));
  bool empty = false;
  for (const std::int64_t size : sizes) {
    empty = empty || size == 0;
    if (__builtin_mul_overflow(extent, std::max<std::int64_t>(size, 1), &extent)) reader.fail("a tensor's sizes");
  }
  return empty ? 0 : static_cast<std::size_t>(extent);
}

at::Tensor load_elements(Reader& reader, const Dimensions& sizes, const Dimensions& strides, at::ScalarType type,
                         std::size_t size) {
  const at::TensorOptions options = at::TensorOptions(type).device(at::kCPU);
  if (size < kOutOfBandBytes) {
    at::Tensor tensor = at::empty_strided(sizes, strides, options);
    reader.get_raw(tensor.mutable_data_ptr(), size);
    return tensor;
  }
  Buffer buffer = reader.get_buffer();
  if (buffer.size_bytes != size) {
    reader.fail("a tensor's buffer of " + std::to_string(buffer.size_bytes) + " bytes instead of " +
                std::to_string(size));
  }
  // Writing is allowed: the mapping is private to this process.
  void* data = const_cast<std::byte*>(buffer.data);
  return at::from_blob(
      data, sizes, strides, [keepalive = std::move(buffer.keepalive)](void*) mutable { keepalive.reset(); }, options,
      at::Device(at::kCPU));
}

}  // namespace

void Codec<at::Tensor>::save(Writer& writer, const at::Tensor& tensor) {
  std::uint8_t flags = 0;
  if (!tensor.defined()) return writer.put_raw(&flags, sizeof flags);
  check(tensor);
  const at::NoGradGuard no_grad;
  const at::Tensor block = in_one_block(tensor);
  const bool contiguous = block.is_contiguous();
  flags = kDefined;
  if (tensor.requires_grad() && tensor.is_leaf()) flags |= kRequiresGrad;
  if (!contiguous) flags |= kStrided;
  const auto type = static_cast<std::uint8_t>(block.scalar_type());
  writer.put_raw(&flags, sizeof flags);
  writer.put_raw(&type, sizeof type);
  writer.put_size(static_cast<std::uint64_t>(block.dim()));
  for (const std::int64_t size : block.sizes()) writer.put_size(static_cast<std::uint64_t>(size));
  if (!contiguous) {
    for (const std::int64_t stride : block.strides()) writer.put_size(static_cast<std::uint64_t>(stride));
  }
  const void* data = block.const_data_ptr();
  const std::size_t size = block.nbytes();
  if (size < kOutOfBandBytes) {
    writer.put_raw(data, size);
  } else {
    writer.put_buffer({static_cast<const std::byte*>(data), size, std::make_shared<const at::Tensor>(block)});
  }
}

void Codec<at::Tensor>::load(Reader& reader, at::Tensor& tensor) {
  std::uint8_t flags = 0;
  reader.get_raw(&flags, sizeof flags);
  if ((flags & ~(kDefined | kRequiresGrad | kStrided)) != 0) reader.fail("a tensor's flags " + std::to_string(flags));
  if ((flags & kDefined) == 0) return tensor.reset();
  const at::ScalarType type = load_type(reader);
  Dimensions sizes(reader.get_count());
  for (std::int64_t& size : sizes) size = load_dimension(reader);
  const std::size_t size = size_bytes(reader, sizes, type);
  Dimensions strides = contiguous_strides(sizes);
  if ((flags & kStrided) != 0) {
    for (std::int64_t& stride : strides) stride = load_dimension(reader);
    if (!fills_one_block(sizes, strides)) reader.fail("a tensor's strides");
  }
  tensor = load_elements(reader, sizes, strides, type, size);
  if ((flags & kRequiresGrad) != 0) {
    if (!at::isFloatingType(type) && !at::isComplexType(type)) reader.fail("a tensor of integers with a gradient");
    tensor.set_requires_grad(true);
  }
}

}  // namespace manta::serial

namespace manta::detail {

at::Tensor tensor_over(const Buffer& elements, c10::ScalarType type, std::span<const std::int64_t> shape,
                       ArrayOrder order) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t at = order == ArrayOrder::column_major ? i : shape.size() - 1 - i;
    strides[at] = stride;
    stride *= std::max<std::int64_t>(shape[at], 1);
  }
  const c10::IntArrayRef sizes(shape.data(), shape.size());
  if (elements.size_bytes == 0) return at::empty(sizes, type);
  return at::from_blob(
      const_cast<std::byte*>(elements.data), sizes, strides, [keepalive = elements.keepalive](void*) {}, type);
}

std::pair<Buffer, std::vector<std::int64_t>> elements_of(const at::Tensor& tensor, c10::ScalarType type) {
  if (!tensor.defined()) return {};
  if (tensor.scalar_type() != type) {
    throw Error(ErrorCode::invalid_argument, std::string("manta::Array: the tensor's elements are of type ") +
                                                 c10::toString(tensor.scalar_type()) + ", not " + c10::toString(type) +
                                                 ". Next: convert it with to(), or give the array that type");
  }
  if (!tensor.device().is_cpu() || tensor.layout() != at::kStrided) {
    throw Error(ErrorCode::invalid_argument, "manta::Array: the tensor is on " + tensor.device().str() +
                                                 " or not dense. Next: call cpu() or to_dense() first");
  }
  const auto kept = std::make_shared<const at::Tensor>(tensor.detach().contiguous());
  const auto* data = static_cast<const std::byte*>(kept->const_data_ptr());
  return {Buffer{data, kept->nbytes(), kept}, kept->sizes().vec()};
}

}  // namespace manta::detail
