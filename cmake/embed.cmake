# embed_files(VARIABLE GLOB): makes a C file with the contents of every file that matches, as
#   const struct embedded_file VARIABLE[] = {{"name", bytes, len}, ..., {NULL}};
# and puts that C file's path into VARIABLE. The type is in base/embedded.h.
function(embed_files variable glob)
    file(GLOB inputs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${glob})
    set(output ${CMAKE_BINARY_DIR}/embedded/${variable}.c)
    add_custom_command(OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DVARIABLE=${variable} "-DINPUTS=${inputs}"
                -P ${PROJECT_SOURCE_DIR}/cmake/embed_script.cmake
        DEPENDS ${inputs} ${PROJECT_SOURCE_DIR}/cmake/embed_script.cmake
        VERBATIM)
    set(${variable} ${output} PARENT_SCOPE)
endfunction()
