// What a checkpoint holds of a run beside networks and optimizers: tensors of bytes.
#pragma once

#include <span>
#include <string>

#include <manta/rl/detail/batch_checks.h>
#include <manta/serialize.h>
#include <manta/torch.h>

namespace manta::rl::detail {

// Any values that serialise, as a tensor for train::State.
template <class... T>
torch::Tensor to_bytes(const T&... values) {
  serial::Writer writer;
  writer(values...);
  const auto size = static_cast<std::int64_t>(1 + writer.encoded_size());
  torch::Tensor bytes = at::empty({size}, at::kByte);
  auto* to = static_cast<std::byte*>(bytes.mutable_data_ptr());
  to[0] = static_cast<std::byte>(writer.framed());
  writer.encode_into(to + 1);
  return bytes;
}

template <class... T>
void from_bytes(const torch::Tensor& bytes, T&... values) {
  const StateBytes content = state_bytes(
      std::span(static_cast<const std::byte*>(bytes.const_data_ptr()), static_cast<std::size_t>(bytes.numel())));
  serial::Reader reader(content.bytes, content.framed);
  reader(values...);
  reader.finish();
}

}  // namespace manta::rl::detail
