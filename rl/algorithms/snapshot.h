// What a checkpoint holds of a run beside networks and optimizers: tensors of bytes.
#pragma once

#include <string>

#include <manta/serialize.h>
#include <manta/torch.h>

namespace manta::rl::detail {

// Any values that serialise, as a tensor for train::State.
template <class... T>
torch::Tensor to_bytes(const T&... values) {
  serial::Writer writer;
  writer(values...);
  const auto size = static_cast<std::int64_t>(writer.encoded_size());
  torch::Tensor bytes = at::empty({size}, at::kByte);
  writer.encode_into(static_cast<std::byte*>(bytes.mutable_data_ptr()));
  return bytes;
}

template <class... T>
void from_bytes(const torch::Tensor& bytes, T&... values) {
  serial::Reader reader(
      {static_cast<const std::byte*>(bytes.const_data_ptr()), static_cast<std::size_t>(bytes.numel())});
  reader(values...);
  reader.finish();
}

}  // namespace manta::rl::detail
