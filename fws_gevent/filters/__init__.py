"""The filters that come with the project; import a module to have its filters in the chains."""
