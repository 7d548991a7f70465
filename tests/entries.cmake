# Read by ctest, which asks the sources themselves for their tests: a new one needs no configuring and no start of a binary, each of
# which loads LibTorch.
cmake_minimum_required(VERSION 3.25)

# emotion_test_entries(LABEL data BINARY FILE FOLDER DIR TIMEOUT S SECONDS S ENVIRONMENT NAME=VALUE.. SOURCES FILE.. EACH SUITE..)
# LABEL.SUITE runs a suite in one process. Suites that take a minute and more have an entry for each test, LABEL.SUITE.TEST: they
# are shared out among the processor's cores, and one that hangs is soon given up.
function(emotion_test_entries)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "LABEL;BINARY;FOLDER;TIMEOUT;SECONDS" "ENVIRONMENT;SOURCES;EACH")
  set(suites "")
  foreach(source IN LISTS arg_SOURCES)
    file(READ ${source} text)
    string(REGEX MATCHALL "\nTEST(_F|_P)?\\([A-Za-z0-9_]+, *[A-Za-z0-9_]+\\)" found "${text}")
    foreach(test IN LISTS found)
      string(REGEX MATCHALL "[A-Za-z0-9_]+" words "${test}")  # TEST_F, suite, name
      list(GET words 1 suite)
      list(GET words 2 name)
      if(NOT name MATCHES "^DISABLED_")
        list(APPEND suites ${suite})
        list(APPEND tests_of_${suite} ${name})
      endif()
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES suites)

  # What an entry runs is a filter of GoogleTest's, in which tests with parameters begin with the name of their instantiation.
  set(entries "")
  foreach(suite IN LISTS suites)
    list(LENGTH tests_of_${suite} count)
    if(suite IN_LIST arg_EACH)
      foreach(test IN LISTS tests_of_${suite})
        list(APPEND entries ${suite}.${test})
        set(filter_of_${suite}.${test} "${suite}.${test}:*/${suite}.${test}/*")
        set(cost_of_${suite}.${test} 20)
        set(timeout_of_${suite}.${test} ${arg_TIMEOUT})
      endforeach()
    else()
      list(APPEND entries ${suite})
      set(filter_of_${suite} "${suite}.*:*/${suite}.*")
      math(EXPR cost_of_${suite} "${arg_SECONDS} * ${count}")
      set(timeout_of_${suite} ${arg_TIMEOUT})
      if(count GREATER 4)
        math(EXPR timeout_of_${suite} "2 * ${arg_TIMEOUT}")
      endif()
    endif()
  endforeach()
  foreach(suite IN LISTS arg_EACH)
    if(NOT suite IN_LIST suites)
      message(FATAL_ERROR "${arg_LABEL}: there is no test of suite ${suite}, which stands behind EACH")
    endif()
  endforeach()

  # COST is a guess in seconds: a first run begins with what takes long. 77 is test_main.cpp's "all were skipped".
  set(all "")
  foreach(entry IN LISTS entries)
    list(APPEND all "${filter_of_${entry}}")
    add_test(${arg_LABEL}.${entry} ${arg_BINARY} --gtest_filter=${filter_of_${entry}})
    set_tests_properties(${arg_LABEL}.${entry} PROPERTIES LABELS ${arg_LABEL} WORKING_DIRECTORY ${arg_FOLDER}
      ENVIRONMENT "${arg_ENVIRONMENT}" TIMEOUT ${timeout_of_${entry}} COST ${cost_of_${entry}} SKIP_RETURN_CODE 77)
  endforeach()

  # Fails with the tests that the binary has and no entry runs. (An entry that finds none of its tests fails by itself.)
  list(JOIN all ":" all)
  set(check ${arg_LABEL}.every_test_is_listed)
  add_test(${check} ${arg_BINARY} --gtest_list_tests "--gtest_filter=-${all}:DISABLED_*:*.DISABLED_*")
  set_tests_properties(${check} PROPERTIES LABELS ${arg_LABEL} ENVIRONMENT "${arg_ENVIRONMENT}" TIMEOUT ${arg_TIMEOUT}
    FAIL_REGULAR_EXPRESSION "\\.[^\n]*\n  [A-Za-z]")
endfunction()
