#include "reconcile/statement.h"
