// SPDX-License-Identifier: Apache-2.0
//
// Line charts, drawn by gnuplot.
#ifndef UARENA_BENCH_RESULTS_GNUPLOT_H_
#define UARENA_BENCH_RESULTS_GNUPLOT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/results/statistics.h"

namespace uarena::bench {

struct Point {
  double x;
  double y;
  Range range = {};  // of y, among the repetitions
};

struct Series {
  std::string title;
  std::string colour;  // "#rrggbb"
  std::vector<Point> points;
  bool dashed = false;
  bool marked = true;  // a mark at each point, and its range
};

struct Axis {
  std::string label;  // with its unit
  bool logarithmic = false;
  std::string ticks = {};  // what follows gnuplot's "set xtics" or "set ytics", if anything
  std::string range = {};  // "[0:100]"; empty: as the points ask
};

struct Chart {
  std::string title;
  Axis x;
  Axis y;
  std::vector<Series> series;
};

// Whether gnuplot can be run.
absl::Status CheckGnuplot();

// Writes `directory`/`name`.svg, and the script that draws it, data included, as `name`.gnuplot.
absl::Status DrawSvg(const Chart& chart, const std::string& directory, const std::string& name);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_GNUPLOT_H_
