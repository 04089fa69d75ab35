# perdure_embed(<target> <text file> <header> <function>)
#
# Puts a text file into a target, as what <function>, declared in <header>, returns. Made again when the file changes.
# Without the function being called, this file is the script that writes the source.
function(perdure_embed target file header function)
  set(source ${CMAKE_BINARY_DIR}/embedded/${function}.cc)
  add_custom_command(OUTPUT ${source} DEPENDS ${file} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
                     COMMAND ${CMAKE_COMMAND} -D FILE=${file} -D SOURCE=${source} -D HEADER=${header} -D FUNCTION=${function}
                             -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE} VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ ${FILE} text)
  file(WRITE ${SOURCE} "#include \"${HEADER}\"\n\nstd::string_view perdure::${FUNCTION}() {\n  return R\"embedded_text(${text})embedded_text\";\n}\n")
endif()
