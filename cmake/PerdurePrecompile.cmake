# perdure_precompile(<target> [TEST])
#
# The headers of the standard library, and for tests those of GoogleTest, are read once for all targets instead of once a
# source: a whole build takes two thirds of the time. Sources still include what they use, and PERDURE_PRECOMPILE=OFF shows
# that they do.
option(PERDURE_PRECOMPILE "Read the headers of the standard library and of GoogleTest once for all" ON)

set(PERDURE_STANDARD_HEADERS <algorithm> <array> <atomic> <charconv> <chrono> <coroutine> <cstdint> <deque> <functional>
    <map> <memory> <mutex> <optional> <ranges> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map>
    <unordered_set> <utility> <variant> <vector>)

function(perdure_precompile target)
  if(NOT PERDURE_PRECOMPILE)
    return()
  endif()
  set(kind perdure_precompiled)
  set(headers ${PERDURE_STANDARD_HEADERS})
  if("TEST" IN_LIST ARGN)
    set(kind perdure_precompiled_test)
    list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  if(NOT TARGET ${kind})
    file(WRITE ${CMAKE_BINARY_DIR}/precompiled/${kind}.cc "")
    add_library(${kind} OBJECT ${CMAKE_BINARY_DIR}/precompiled/${kind}.cc)
    target_link_libraries(${kind} PRIVATE Threads::Threads)
    if("TEST" IN_LIST ARGN)
      target_compile_options(${kind} PRIVATE $<$<CONFIG:Debug>:-O0>)
      target_link_libraries(${kind} PRIVATE GTest::gtest GTest::gmock)
    endif()
    target_precompile_headers(${kind} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${kind})
  # The same bytes for the same headers, so that ccache knows them again.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  target_compile_options(${kind} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>)
endfunction()
