// Eigen's types, without a header of ours for them.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <Eigen/Dense>
#include <Eigen/Sparse>

#include <manta/array.h>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

template <class M>
void expect_same(const M& matrix) {
  static_assert(Serializable<M>);
  const M again = round_trip(matrix);
  ASSERT_EQ(again.rows(), matrix.rows());
  ASSERT_EQ(again.cols(), matrix.cols());
  EXPECT_TRUE((again.array() == matrix.array()).all());
}

TEST(EigenTypes, Matrices) {
  expect_same(Eigen::MatrixXd(0, 0));
  expect_same(Eigen::MatrixXd(0, 5));
  expect_same(Eigen::MatrixXd(Eigen::MatrixXd::Random(3, 5)));
  expect_same(Eigen::MatrixXf(Eigen::MatrixXf::Random(300, 500)));
  expect_same(Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(Eigen::MatrixXd::Random(40, 50)));
  expect_same(Eigen::VectorXi(Eigen::VectorXi::LinSpaced(2000, 0, 1999)));
  expect_same(Eigen::RowVector3f(1, 2, 3));
  expect_same(Eigen::Matrix4d(Eigen::Matrix4d::Random()));
  expect_same(Eigen::Matrix<float, 3, Eigen::Dynamic>(Eigen::MatrixXf::Random(3, 7)));
  expect_same(Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, 4, 4>(Eigen::MatrixXd::Random(2, 3)));
  expect_same(Eigen::MatrixXcd(Eigen::MatrixXcd::Random(20, 30)));
  expect_same(Eigen::ArrayXXf(Eigen::ArrayXXf::Random(20, 30)));
}

TEST(EigenTypes, LargeOnesAreOutOfBand) {
  serial::Writer writer;
  const Eigen::MatrixXd matrix = Eigen::MatrixXd::Random(100, 100);
  writer(matrix);
  EXPECT_TRUE(writer.framed());
  EXPECT_LT(writer.stream().size(), 16u);
}

template <class M>
Array<typename M::Scalar> array_of(const M& matrix) {
  serial::Writer writer;
  writer(matrix);
  const auto bytes = std::make_shared<std::vector<std::byte>>(writer.encoded_size() + 64);
  std::byte* const start = bytes->data() + (64 - reinterpret_cast<std::uintptr_t>(bytes->data()) % 64) % 64;
  writer.encode_into(start);
  const std::span<const std::byte> encoding(start, writer.encoded_size());
  auto array = detail::read_as<Array<typename M::Scalar>, M>({encoding, writer.framed(), bytes, {}});
  if (writer.framed()) {
    const auto* data = reinterpret_cast<const std::byte*>(array.data());
    EXPECT_TRUE(encoding.data() <= data && data < encoding.data() + encoding.size()) << "read in place";
  }
  return array;
}

TEST(EigenTypes, MapsOfArrays) {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::MatrixXd matrix = Eigen::MatrixXd::Random(40, 50);
  const auto columns = array_of(matrix);
  EXPECT_EQ(columns.shape(), (std::vector<std::int64_t>{40, 50}));
  EXPECT_EQ(columns.at(3, 7), matrix(3, 7));
  EXPECT_EQ(columns.map<Eigen::MatrixXd>(), matrix);
  EXPECT_THROW((void)columns.map<RowMajor>(), Error) << "its elements lie in the other order";
  const auto rows = array_of(RowMajor(matrix));
  EXPECT_EQ(rows.at(3, 7), matrix(3, 7));
  EXPECT_EQ(rows.map<RowMajor>(), matrix);
  EXPECT_THROW((void)rows.map<Eigen::MatrixXd>(), Error);
  EXPECT_THROW((void)rows.map<Eigen::Matrix3d>(), Error);

  const Array<double> vector(std::vector<double>{1, 2, 3});
  EXPECT_EQ(vector.map<Eigen::VectorXd>(), Eigen::Vector3d(1, 2, 3));
  EXPECT_EQ(vector.map<Eigen::RowVectorXd>(), Eigen::RowVector3d(1, 2, 3));
  EXPECT_EQ(vector.map<Eigen::Vector3d>().sum(), 6);
  EXPECT_EQ(vector.map<Eigen::MatrixXd>().cols(), 1);
  EXPECT_THROW((void)vector.map<Eigen::Vector4d>(), Error);
  EXPECT_EQ(array_of(Eigen::VectorXd(Eigen::VectorXd::Ones(1000))).map<Eigen::VectorXd>().sum(), 1000);
  EXPECT_EQ(array_of(Eigen::MatrixXd(0, 5)).size(), 0u);
}

TEST(EigenTypes, InStructsAndContainers) {
  struct Body {
    std::string name;
    Eigen::Vector3d position{1, 2, 3};
    Eigen::MatrixXf inertia = Eigen::MatrixXf::Random(30, 60);
  };
  const std::vector<Body> bodies(3);
  const auto again = round_trip(bodies);
  EXPECT_EQ(again.at(2).position, bodies.at(2).position);
  EXPECT_EQ(again.at(2).inertia, bodies.at(2).inertia);
  const std::vector<Eigen::Vector3d> points(1000, Eigen::Vector3d(1, 2, 3));
  EXPECT_EQ(round_trip(points), points);
  static_assert(serial::detail::Bulk<Eigen::Vector3d>, "a vector of points is one block");
}

TEST(EigenTypes, SparseMatrices) {
  Eigen::SparseMatrix<double> matrix(100, 200);
  for (int i = 0; i < 100; ++i) matrix.insert(i, (i * 7) % 200) = i + 1;
  ASSERT_FALSE(matrix.isCompressed());
  EXPECT_EQ(round_trip(matrix).toDense(), matrix.toDense());
  matrix.makeCompressed();
  EXPECT_EQ(round_trip(matrix).toDense(), matrix.toDense());
  const Eigen::SparseMatrix<float, Eigen::RowMajor> rows = matrix.cast<float>();
  EXPECT_EQ(round_trip(rows).toDense(), rows.toDense());
  EXPECT_EQ(round_trip(Eigen::SparseMatrix<double>(0, 0)).rows(), 0);
}

TEST(EigenTypes, RefusesWhatDoesNotFit) {
  const auto decode_as = [](auto given, auto& into) {
    const Encoding encoding = encode(given);
    serial::Reader reader(encoding.bytes(), encoding.framed());
    into = serial::decode<std::decay_t<decltype(into)>>(reader);
  };
  Eigen::Matrix<float, 3, Eigen::Dynamic> three;
  EXPECT_THROW(decode_as(Eigen::MatrixXf(Eigen::MatrixXf::Ones(4, 2)), three), Error);
  serial::Writer huge;
  huge.put_size(std::uint64_t{1} << 40);
  huge.put_size(std::uint64_t{1} << 40);
  const Encoding encoding(huge);
  EXPECT_THROW((void)decode<Eigen::MatrixXf>(encoding), Error);
  serial::Writer broken;
  broken(std::int64_t{2}, std::int64_t{2}, std::vector<int>{0, 1, 2}, std::vector<int>{0, 7},
         std::vector<double>{1, 2});
  EXPECT_THROW((void)decode<Eigen::SparseMatrix<double>>(Encoding(broken)), Error);
}

TEST(EigenTypes, WhatOwnsNoDataIsRefused) {
  static_assert(!Serializable<Eigen::Map<Eigen::MatrixXd>>);
  static_assert(!Serializable<Eigen::Ref<Eigen::MatrixXd>>);
  static_assert(!Serializable<decltype(Eigen::MatrixXd() + Eigen::MatrixXd())>);
  static_assert(!Serializable<decltype(std::declval<Eigen::MatrixXd&>().block(0, 0, 1, 1))>);
}

}  // namespace
}  // namespace manta::testing
