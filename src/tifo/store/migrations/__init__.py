"""The steps from one shape of the state's tables to the next, which `store.schema` takes."""
