#ifndef HYPI_CREADLINE_SHIM_H
#define HYPI_CREADLINE_SHIM_H

#include <stdio.h>
#include <stdlib.h>

#include <readline/history.h>
#include <readline/readline.h>

#endif
