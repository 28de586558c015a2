#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# install_test.sh cmake|pkgconfig CONSUMER_DIR. From the environment: BUILD (what to install), VERSION,
# and the tools: CMAKE, CMAKE_GENERATOR, PKG_CONFIG, CC, CXX.
set -euo pipefail
how=$1 consumer=$2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$consumer" "$scratch/consumer"
cd "$scratch"

# The prefix is not the one that the project was configured with.
"$CMAKE" --install "$BUILD" --prefix "$scratch/prefix" >/dev/null
for tool in uarenad uarenactl; do "prefix/bin/$tool" --version >/dev/null; done

case $how in
  cmake)
    "$CMAKE" -S consumer -B build -DCMAKE_PREFIX_PATH="$scratch/prefix" -DUARENA_VERSION="$VERSION"
    "$CMAKE" --build build
    ;;
  pkgconfig)
    PKG_CONFIG_PATH=$(dirname "$(find prefix -name uarena.pc)")
    export PKG_CONFIG_PATH
    [[ $("$PKG_CONFIG" --modversion uarena) == "$VERSION" ]]
    mkdir build
    read -ra cflags < <("$PKG_CONFIG" --cflags uarena)
    read -ra libs < <("$PKG_CONFIG" --libs --static uarena)
    "$CXX" -std=c++20 "${cflags[@]}" consumer/main.cc -o build/main "${libs[@]}"
    # C code is compiled as C, and linked as C++ since the library is that.
    "$CC" -Wall -Werror "${cflags[@]}" -c consumer/main.c -o build/main.o
    "$CXX" build/main.o -o build/main_c "${libs[@]}"
    ;;
esac

for program in main main_c; do
  [[ $("build/$program") == ok ]]
done
echo "installed, built and run by way of $how"
