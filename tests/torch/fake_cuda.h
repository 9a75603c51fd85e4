// A GPU for tests without one: its memory is the CPU's, its streams run at once, its events are done at once, but
// not those that are recorded after set_done(false).
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/torch.h>

namespace fake_cuda {

// Streams: 0 is the current one at first, 7 the pool's. log: "record 7", "block 0 on 7" (stream 0 waits for 7).
struct State {
  std::mutex mutex;
  std::string log;
  std::map<void*, c10::StreamId> recorded;
  std::set<void*> finished;  // done in any case
  c10::StreamId current = 0;
  bool done = true;

  std::string take() {
    const std::lock_guard lock(mutex);
    return std::exchange(log, {});
  }
  void set_done(bool value) {
    const std::lock_guard lock(mutex);
    if (done && !value) {
      for (const auto& [event, stream] : recorded) finished.insert(event);
    }
    done = value;
  }
};
inline State& state() {
  static State one;
  return one;
}

struct Guard : c10::impl::DeviceGuardImplInterface {
  static c10::Device device() { return {c10::kCUDA, 0}; }
  static c10::Stream stream(c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, device(), id); }

  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return device(); }
  c10::Device getDevice() const override { return device(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Stream getStream(c10::Device) const override { return stream(state().current); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return stream(7); }
  c10::Stream exchangeStream(c10::Stream next) const override {
    return stream(std::exchange(state().current, next.id()));
  }
  void* getStreamNativeHandle(const c10::Stream) const override { return &state(); }
  void record(void** event, const c10::Stream& on, const c10::DeviceIndex, const c10::EventFlag) const override {
    const std::lock_guard lock(state().mutex);
    if (*event == nullptr) *event = new char;
    state().recorded[*event] = on.id();
    state().finished.erase(*event);
    state().log += "record " + std::to_string(on.id()) + ", ";
  }
  void block(void* event, const c10::Stream& waits) const override {
    const std::lock_guard lock(state().mutex);
    state().log += "block " + std::to_string(waits.id()) + " on " + std::to_string(state().recorded.at(event)) + ", ";
  }
  bool queryEvent(void* event) const override {
    const std::lock_guard lock(state().mutex);
    return state().done || state().finished.contains(event);
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    const std::lock_guard lock(state().mutex);
    state().recorded.erase(event);
    state().finished.erase(event);
    delete static_cast<char*>(event);
  }
};

inline at::Tensor tensor(std::vector<float> values) {
  const auto bytes = static_cast<std::int64_t>(values.size() * sizeof(float));
  auto* held = new std::vector<float>(std::move(values));
  c10::DataPtr data(
      held->data(), held, [](void* of) { delete static_cast<std::vector<float>*>(of); }, Guard::device());
  auto made = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(c10::Storage::use_byte_size_t(), static_cast<std::size_t>(bytes), std::move(data)),
      c10::DispatchKeySet(c10::DispatchKey::CUDA), caffe2::TypeMeta::Make<float>());
  made.unsafeGetTensorImpl()->set_sizes_contiguous({static_cast<std::int64_t>(held->size())});
  return made;
}
inline std::vector<float> values(const at::Tensor& tensor) {
  const auto* data = static_cast<const float*>(tensor.data_ptr());
  return {data, data + tensor.numel()};
}

}  // namespace fake_cuda
