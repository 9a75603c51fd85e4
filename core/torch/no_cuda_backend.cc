#include "core/torch/cuda_backend.h"

namespace manta::collective {

c10::intrusive_ptr<c10d::Backend> make_cuda_backend(const Rendezvous&) { return {}; }

}  // namespace manta::collective
