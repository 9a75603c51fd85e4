#include "rl/perceptron/perceptron.h"

#include <algorithm>
#include <utility>

namespace manta::rl::detail {
namespace {

constexpr std::int64_t kBlock = 48;  // rows: a multiple of every tile's
constexpr std::int64_t kNarrow = 4;  // outputs

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// Rows of `columns` floats, each followed by zeros up to a multiple of kPadding (which stay from before).
void spread(const float* from, std::int64_t rows, std::int64_t columns, float* to) {
  for (std::int64_t row = 0; row < rows; ++row) std::copy_n(from + row * columns, columns, to + row * padded(columns));
}

void fit(std::vector<float>& buffer, std::int64_t size) {
  if (buffer.size() < at(size)) buffer.resize(at(size));
}

}  // namespace

Perceptron::Perceptron(std::vector<std::int64_t> sizes, Activation activation, const Kernels& kernels)
    : kernels_(kernels), activation_(activation) {
  std::int64_t widest = 0;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    Layer layer{sizes[i], sizes[i + 1], sizes[i + 1] <= kNarrow, {}, {}, {}, {}, {}, {}};
    layer.weight.resize(at(layer.outputs * padded(layer.inputs)));
    layer.transposed.resize(at(layer.inputs * padded(layer.outputs)));
    layer.bias.resize(at(padded(layer.outputs)));
    layer.bias_gradient.resize(layer.bias.size());
    layer.weight_gradient.resize(layer.narrow ? layer.weight.size() : layer.transposed.size());
    layers_.push_back(std::move(layer));
    widest = std::max({widest, padded(sizes[i]), padded(sizes[i + 1])});
  }
  for (auto& gradients : gradients_) gradients.resize(at(kBlock * widest));
}

void Perceptron::set_layer(std::size_t index, const float* weight, const float* bias) {
  Layer& layer = layers_[index];
  spread(weight, layer.outputs, layer.inputs, layer.weight.data());
  const std::int64_t stride = padded(layer.outputs);
  for (std::int64_t out = 0; out < layer.outputs; ++out) {
    for (std::int64_t in = 0; in < layer.inputs; ++in) {
      layer.transposed[at(in * stride + out)] = weight[out * layer.inputs + in];
    }
  }
  std::copy_n(bias, layer.outputs, layer.bias.begin());
}

const float* Perceptron::inputs_of(std::size_t layer, std::int64_t row) const {
  const auto& values = layer == 0 ? inputs_ : layers_[layer - 1].values;
  return values.data() + row * padded(layers_[layer].inputs);
}

void Perceptron::forward_block(std::int64_t first, std::int64_t rows) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const std::int64_t in = padded(layer.inputs), out = padded(layer.outputs);
    float* values = layer.values.data() + first * out;
    if (layer.narrow) {
      kernels_.dot(inputs_of(i, first), layer.weight.data(), layer.bias.data(), values, rows, layer.outputs, in, out);
    } else {
      kernels_.multiply(
          {inputs_of(i, first), in, 1, layer.transposed.data(), values, rows, out, layer.inputs, layer.bias.data()});
    }
    if (i + 1 == layers_.size()) break;
    (activation_ == Activation::tanh ? kernels_.tanh : kernels_.relu)(values, rows * out);
  }
}

void Perceptron::forward(const float* inputs, std::int64_t rows, float* outputs) {
  rows_ = rows;
  fit(inputs_, rows * padded(layers_.front().inputs));
  for (Layer& layer : layers_) fit(layer.values, rows * padded(layer.outputs));
  spread(inputs, rows, layers_.front().inputs, inputs_.data());
  for (std::int64_t first = 0; first < rows; first += kBlock) forward_block(first, std::min(kBlock, rows - first));
  const Layer& last = layers_.back();
  const std::int64_t stride = padded(last.outputs);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(last.values.data() + row * stride, last.outputs, outputs + row * last.outputs);
  }
}

void Perceptron::backward_block(std::int64_t first, std::int64_t rows) {
  float* gradients = output_gradients_.data() + first * padded(layers_.back().outputs);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    Layer& layer = layers_[i];
    const std::int64_t in = padded(layer.inputs), out = padded(layer.outputs);
    kernels_.add_rows(gradients, layer.bias_gradient.data(), rows, out);
    const float* inputs = inputs_of(i, first);
    if (layer.narrow) {
      kernels_.multiply({gradients, 1, out, inputs, layer.weight_gradient.data(), layer.outputs, in, rows});
    } else {
      kernels_.multiply({inputs, 1, in, gradients, layer.weight_gradient.data(), layer.inputs, out, rows});
    }
    if (i == 0) break;
    float* before = gradients_[i % 2].data();
    std::fill_n(before, rows * in, 0.0F);
    kernels_.multiply({gradients, out, 1, layer.weight.data(), before, rows, in, layer.outputs});
    (activation_ == Activation::tanh ? kernels_.tanh_backward : kernels_.relu_backward)(before, inputs, rows * in);
    gradients = before;
  }
}

void Perceptron::backward(const float* gradients) {
  for (Layer& layer : layers_) {
    std::ranges::fill(layer.weight_gradient, 0.0F);
    std::ranges::fill(layer.bias_gradient, 0.0F);
  }
  fit(output_gradients_, rows_ * padded(layers_.back().outputs));
  spread(gradients, rows_, layers_.back().outputs, output_gradients_.data());
  for (std::int64_t first = 0; first < rows_; first += kBlock) backward_block(first, std::min(kBlock, rows_ - first));
}

void Perceptron::add_gradients(std::size_t index, float* weight, float* bias) const {
  const Layer& layer = layers_[index];
  const std::int64_t row = layer.narrow ? padded(layer.inputs) : 1, column = layer.narrow ? 1 : padded(layer.outputs);
  for (std::int64_t out = 0; out < layer.outputs; ++out) {
    for (std::int64_t in = 0; in < layer.inputs; ++in) {
      weight[out * layer.inputs + in] += layer.weight_gradient[at(out * row + in * column)];
    }
    bias[out] += layer.bias_gradient[at(out)];
  }
}

}  // namespace manta::rl::detail
