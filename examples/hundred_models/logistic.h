// Logistic regression by Newton's method.
#pragma once

#include <string>
#include <vector>

struct Table {
  std::size_t width = 0;         // of a row, with the 1 at its end
  std::vector<double> features;  // rows one after the other, each column of mean 0 and variance 1
  std::vector<int> labels;       // 0 or 1
};

// A table of scikit-learn: a header, then features and a label in each line. Throws std::runtime_error.
Table load_table(const std::string& file);

// The share of rows that models tell right which have not seen them, over five folds; row i is tested in fold i % 5.
// strength: of the squared weights in what is minimised.
double cross_validate(const Table& table, double strength);
