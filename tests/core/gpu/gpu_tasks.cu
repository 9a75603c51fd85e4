// Kernels of the GPU test.
#include <string>
#include <vector>

#include <cuda_runtime.h>

#include "tests/core/gpu/gpu_tasks.h"

__global__ void add_one(int* values, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) values[i] += 1;
}

std::vector<int> add_one_on_device(const std::vector<int>& values) {
  int* device = nullptr;
  const std::size_t bytes = values.size() * sizeof(int);
  std::vector<int> result(values.size());
  if (cudaMalloc(&device, bytes) != cudaSuccess) return {};
  cudaMemcpy(device, values.data(), bytes, cudaMemcpyHostToDevice);
  const int n = static_cast<int>(values.size());
  add_one<<<(n + 255) / 256, 256>>>(device, n);
  const cudaError_t error = cudaMemcpy(result.data(), device, bytes, cudaMemcpyDeviceToHost);
  cudaFree(device);
  return error == cudaSuccess ? result : std::vector<int>{};
}

int devices_seen() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string device_address() {
  char address[64] = {};
  return cudaDeviceGetPCIBusId(address, sizeof address, 0) == cudaSuccess ? address : "";
}
