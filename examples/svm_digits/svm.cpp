#include "svm.h"

#include <svm.h>
#include <sys/mman.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

namespace {

// libsvm reads along columns, each step in another page: with large ones a search takes a tenth less.
std::unique_ptr<svm_node[], void (*)(void*)> in_large_pages(std::size_t count) {
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const std::size_t bytes = (count * sizeof(svm_node) + kPage - 1) / kPage * kPage;
  void* memory = std::aligned_alloc(kPage, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // where there are none, it works all the same
  return {static_cast<svm_node*>(memory), &std::free};
}

// The kernel of all pairs as libsvm takes it: of each sample a row that begins with its number, from 1.
class KernelMatrix {
 public:
  void fill(const Digits& digits, double gamma) {
    const auto count = static_cast<std::size_t>(digits.size());
    width_ = count + 2;
    if (nodes_ == nullptr) nodes_ = in_large_pages(count * width_);
    // Distances are whole numbers: there are fewer of them than pairs.
    std::vector<double> kernel(static_cast<std::size_t>(digits.largest) + 1);
    for (std::size_t d = 0; d < kernel.size(); ++d) kernel[d] = std::exp(-gamma * static_cast<double>(d));
    for (std::size_t i = 0; i < count; ++i) {
      svm_node* row = this->row(i);
      const std::uint16_t* distances = digits.distances_of(static_cast<int>(i));
      row[0] = {0, static_cast<double>(i + 1)};
      for (std::size_t j = 0; j < count; ++j) row[j + 1] = {static_cast<int>(j + 1), kernel[distances[j]]};
      row[count + 1] = {-1, 0};
    }
  }
  svm_node* row(std::size_t sample) { return nodes_.get() + sample * width_; }

 private:
  std::size_t width_ = 0;
  std::unique_ptr<svm_node[], void (*)(void*)> nodes_{nullptr, &std::free};
};

struct FreeModel {
  void operator()(svm_model* model) const { svm_free_and_destroy_model(&model); }
};

// The share of the fold's samples that a machine trained on all others gets right.
double accuracy_of_fold(const Digits& digits, KernelMatrix& kernel, const SvmParameters& wanted, int fold) {
  std::vector<svm_node*> rows;
  std::vector<double> labels;
  std::array<int, kClasses> names{};
  std::array<double, kClasses> counts{}, weights{};
  for (int i = 0; i < digits.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (digits.folds[at] == fold) continue;
    rows.push_back(kernel.row(at));
    labels.push_back(digits.labels[at]);
    ++counts[static_cast<std::size_t>(digits.labels[at])];
  }
  for (std::size_t k = 0; k < kClasses; ++k) {
    names[k] = static_cast<int>(k);
    weights[k] = wanted.balanced ? static_cast<double>(rows.size()) / (kClasses * counts[k]) : 1;
  }
  const svm_problem problem{static_cast<int>(rows.size()), labels.data(), rows.data()};
  svm_parameter parameter{};
  parameter.svm_type = C_SVC;
  parameter.kernel_type = PRECOMPUTED;
  parameter.cache_size = 200;
  parameter.eps = wanted.tolerance;
  parameter.C = wanted.c;
  parameter.nr_weight = kClasses;
  parameter.weight_label = names.data();
  parameter.weight = weights.data();
  parameter.shrinking = 1;
  if (const char* wrong = svm_check_parameter(&problem, &parameter)) throw std::invalid_argument(wrong);
  const std::unique_ptr<svm_model, FreeModel> model(svm_train(&problem, &parameter));
  int right = 0, tested = 0;
  for (int i = 0; i < digits.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (digits.folds[at] != fold) continue;
    ++tested;
    right += svm_predict(model.get(), kernel.row(at)) == digits.labels[at] ? 1 : 0;
  }
  return static_cast<double>(right) / tested;
}

}  // namespace

double cross_validate(const Digits& digits, const SvmParameters& parameters) {
  static KernelMatrix kernel;  // 52 MB: made once in each worker
  svm_set_print_string_function([](const char*) {});
  kernel.fill(digits, parameters.gamma);
  double sum = 0;
  for (int fold = 0; fold < kFolds; ++fold) sum += accuracy_of_fold(digits, kernel, parameters, fold);
  return sum / kFolds;
}
