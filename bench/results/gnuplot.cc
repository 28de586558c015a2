// SPDX-License-Identifier: Apache-2.0
#include "bench/results/gnuplot.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace uarena::bench {
namespace {

absl::Status RunGnuplot(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gnuplot");
  std::vector<char*> argv(arguments.size() + 1);  // the last stays null
  std::transform(arguments.begin(), arguments.end(), argv.begin(),
                 [](std::string& argument) { return argument.data(); });
  pid_t pid = 0;
  if (const int error = posix_spawnp(&pid, "gnuplot", nullptr, nullptr, argv.data(), environ);
      error != 0) {
    return absl::ErrnoToStatus(error, "gnuplot, which --plot needs (package gnuplot-nox)");
  }
  int status = 0;
  if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("gnuplot failed: ", absl::StrJoin(arguments, " ")));
}

void WriteAxis(char letter, const Axis& axis, std::ofstream& out) {
  out << "set " << letter << "label \"" << axis.label << "\"\n";
  if (axis.logarithmic) out << "set logscale " << letter << "\n";
  if (!axis.ticks.empty()) out << "set " << letter << "tics " << axis.ticks << "\n";
  if (!axis.range.empty()) out << "set " << letter << "range " << axis.range << "\n";
}

void WriteScript(const Chart& chart, const std::string& svg, std::ofstream& out) {
  out << "# gnuplot draws " << svg << " from this.\n"
      << "set terminal svg size 960,540 noenhanced font \"sans-serif,14\" background \"#ffffff\"\n"
      << "set output \"" << svg << "\"\n"
      << "set title \"" << chart.title << "\"\n"
      << "set key outside right center Left reverse samplen 2\n"
      << "set grid xtics ytics linecolor \"#dddddd\"\n"
      << "set border 3\nset tics nomirror\n";
  WriteAxis('x', chart.x, out);
  WriteAxis('y', chart.y, out);
  std::vector<std::string> plots;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const Series& series = chart.series[i];
    out << "$series" << i << " << EOD\n";
    for (const Point& point : series.points) {
      out << absl::StrFormat("%g %g %g %g\n", point.x, point.y, point.range.low, point.range.high);
    }
    out << "EOD\n";
    plots.push_back(absl::StrFormat(
        "$series%d with %s linecolor \"%s\" linewidth %s%s title \"%s\"", i,
        series.marked ? "yerrorlines pointtype 7 pointsize 0.5" : "lines", series.colour,
        series.dashed ? "1.5" : "2.5", series.dashed ? " dashtype 2" : "", series.title));
  }
  out << "plot " << absl::StrJoin(plots, ", \\\n     ") << "\n";
}

}  // namespace

absl::Status CheckGnuplot() { return RunGnuplot({"--version"}); }

absl::Status DrawSvg(const Chart& chart, const std::string& directory, const std::string& name) {
  const std::string script = absl::StrCat(directory, "/", name, ".gnuplot");
  std::ofstream file(script);
  WriteScript(chart, absl::StrCat(name, ".svg"), file);
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("--plot: cannot write ", script));
  return RunGnuplot({"-e", absl::StrCat("cd '", directory, "'"), absl::StrCat(name, ".gnuplot")});
}

}  // namespace uarena::bench
