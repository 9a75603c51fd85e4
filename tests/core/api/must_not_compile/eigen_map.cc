// EXPECT: manta: maps, blocks and expressions of Eigen own no data
#include <manta/manta.h>

// As Eigen::Map has it.
struct Matrix {
  using Scalar = double;
  using PlainObject = Matrix;
  static constexpr int RowsAtCompileTime = -1, ColsAtCompileTime = -1;
  long rows() const { return 0; }
  long cols() const { return 0; }
  double* data() { return nullptr; }
  void resize(long, long) {}
};
class Map : private Matrix {
 public:
  using Matrix::Scalar, Matrix::PlainObject, Matrix::RowsAtCompileTime, Matrix::ColsAtCompileTime, Matrix::rows,
      Matrix::cols;
};

auto call() { return manta::put(Map()); }
